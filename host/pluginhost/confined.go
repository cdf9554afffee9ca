package pluginhost

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/culvert-pbx/culvert/host/pluginhost/sandbox"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// confineWord is the argument that has the daemon's binary become a module, confined as the host confines it, for whoever
// tests a built one without a host (sdk/wire/wiretest): culvertd __confine OWN WIRE [GRANT]... The module's binary is
// open as the launcher has it, and so is what tells why it was not started. Environment and standard descriptors go on to it.
const confineWord = "__confine"

// confineIfAsked becomes that module, and else returns at once.
func confineIfAsked(args []string) {
	if len(args) < 4 || args[1] != confineWord {
		return
	}
	runtime.LockOSThread()
	err := confined(args[2], args[3], args[4:])
	_ = json.NewEncoder(os.NewFile(reportFD, "report")).Encode(err)
	os.Exit(127)
}

// confined restricts this process to the module's own directory, that of its wire and what is granted, and becomes it.
func confined(own, wire string, grants []string) *launchError {
	p := plan{Name: "module", Env: os.Environ(), Limit: pluginLimits, Host: os.Getppid(), Support: sandbox.Detect()}
	p.Sandbox = sandbox.Plan{Own: []string{own}, Wire: []string{wire}, Listeners: []string{wire}}
	for _, g := range grants {
		right, fs := tunnel.ParseGrant(tunnel.Grant(g))
		if len(fs) > 0 {
			return &launchError{Message: fs.Error()}
		}
		if err := p.grant(right); err != nil {
			return &launchError{Message: fmt.Sprintf("open the grant %q: %v", g, err)}
		}
	}
	binary, err := confine(&p)
	if err != nil {
		return &launchError{Message: err.Error()}
	}
	errno := execute(binary, p)
	return &launchError{Message: errno.Error(), Errno: errno}
}

// grant opens what a right opens. Ports are the host's to open.
func (p *plan) grant(r tunnel.Right) error {
	switch r.Kind {
	case tunnel.GrantNetwork:
		p.Sandbox.Network = true
	case tunnel.GrantPrograms:
		p.Sandbox.Programs = true
	case tunnel.GrantRead, tunnel.GrantWrite:
		fd, err := unix.Open(r.Path, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		p.Sandbox.Granted = append(p.Sandbox.Granted, r.Path)
		if r.Kind == tunnel.GrantRead {
			p.Sandbox.Read = append(p.Sandbox.Read, fd)
		} else {
			p.Sandbox.Write = append(p.Sandbox.Write, fd)
		}
	}
	return nil
}
