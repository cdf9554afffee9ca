package pluginhost

import (
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// MaxSocketDir is how long, in bytes, the directory of all sockets may be: a socket's path holds 107 bytes, and below
// the directory come at most 61 more (m/, a module's name of 40, own/, HASH8.sock).
const MaxSocketDir = 40

// Sockets are the places of the sockets between host and modules, below the directory Dir. They live as long as the
// daemon. Its methods only compute, save Prepare and clear.
//
//	DIR/m/MODULE/HASH8.sock      the host listens: a private reach mapping, or an operator's, for the module alone
//	DIR/m/MODULE/own/HASH8.sock  the module listens: a private expose mapping
//	DIR/m/MODULE/dPORT.sock      the host listens: a port of this machine that the module may dial
//	DIR/m/MODULE/own/sPORT.sock  the module listens: a port of this machine that it may serve
//	DIR/m/.w/plugin-dirN/pluginN the wire between the host and one process, made and removed with it; .w is a link, see makeWires
//	DIR/m/.g/ROLL/PID            no socket: the process groups that modules lead, see roll
//
// The wire's sockets are not below own/: go-plugin's two generated names take up to 38 bytes, which beside a long
// module name is more than a socket's path can hold.
type Sockets struct{ Dir string }

// Module is the host's own directory for a module: the module may pass through it, not write.
func (s Sockets) Module(name tunnel.Owner) string { return filepath.Join(s.Dir, "m", string(name)) }

// Listeners is the directory a module makes its own listeners in.
func (s Sockets) Listeners(name tunnel.Owner) string { return filepath.Join(s.Module(name), "own") }

// Private is where the host listens for the owner of ref that wants to reach through mapping.
func (s Sockets) Private(ref tunnel.Ref, mapping string) string {
	return filepath.Join(s.Module(ref.Owner), socketName(ref, mapping))
}

// Own is where the owner of ref listens for what arrives through the private expose mapping.
func (s Sockets) Own(ref tunnel.Ref, mapping string) string {
	return filepath.Join(s.Listeners(ref.Owner), socketName(ref, mapping))
}

// LocalDial is where the host listens for a module that dials a port of this machine.
func (s Sockets) LocalDial(name tunnel.Owner, port int) string {
	return filepath.Join(s.Module(name), fmt.Sprintf("d%d.sock", port))
}

// LocalListen is where a module listens for a port of this machine that it serves.
func (s Sockets) LocalListen(name tunnel.Owner, port int) string {
	return filepath.Join(s.Listeners(name), fmt.Sprintf("s%d.sock", port))
}

// Prepare makes the directories of a module, for nobody but the daemon's user.
func (s Sockets) Prepare(name tunnel.Owner) error {
	return os.MkdirAll(s.Listeners(name), 0o700)
}

// wire is the directory below which every process gets one of its own for go-plugin's sockets. It is no module's, since
// a name begins with a letter, and it lies in m, which nobody else uses: at start it is emptied.
func (s Sockets) wire() string { return filepath.Join(s.Dir, "m", ".w") }

// rolls is beside it for the same reason.
func (s Sockets) rolls() string { return filepath.Join(s.Dir, "m", ".g") }

// clear refuses a directory that is too long and removes the sockets that a dead daemon's modules left. The host's own are
// not touched: whoever listens on them replaces them.
func (s Sockets) clear() error {
	if len(s.Dir) > MaxSocketDir {
		return fmt.Errorf("the socket directory %s has %d bytes, and at most %d leave room for the modules' sockets below it: "+
			"choose a shorter one, such as /run/culvert", tunnel.Clean(s.Dir, 120), len(s.Dir), MaxSocketDir)
	}
	if err := os.RemoveAll(s.wire()); err != nil {
		return err
	}
	if err := os.MkdirAll(s.rolls(), 0o700); err != nil {
		return err
	}
	modules, err := os.ReadDir(filepath.Join(s.Dir, "m"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, m := range modules {
		if err := removeSockets(s.Listeners(tunnel.Owner(m.Name()))); err != nil {
			return err
		}
	}
	return nil
}

// removeSockets removes the sockets in dir, and nothing else.
func removeSockets(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if e.Type() == fs.ModeSocket {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// socketName tells the mappings of one module apart: 40 bits of a hash, because names of full length do not fit.
func socketName(ref tunnel.Ref, mapping string) string {
	sum := sha256.Sum256([]byte(ref.String() + "/" + mapping))
	return base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:5]) + ".sock"
}
