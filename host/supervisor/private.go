package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Sockets says how modules reach their mappings without a port: through a unix socket per reach mapping, which only
// the module that owns the tunnel may use. With the zero Sockets there are none.
type Sockets struct {
	// Path is where the socket of a mapping is. Only the host may write into its directory.
	Path func(ref tunnel.Ref, mapping string) string

	// Prepare makes the directory of the sockets of that module's mappings, unless it is there.
	Prepare func(module tunnel.Owner) error

	// Allowed reports whether pid is the process of that module right now.
	Allowed func(module tunnel.Owner, pid int) bool

	// Greet writes what the module's end reads first: that raw bytes follow, or where err is not nil why not.
	Greet func(w io.Writer, err error) error
}

// private holds the private sockets of one tunnel. They live as long as its record, whether or not a link stands: who
// dials one is told why it has to be refused, or waits.
type private struct {
	opener
	sockets Sockets
	relay   func(module, site Conn)
	log     hclog.Logger

	ctx    context.Context // ends with close
	cancel context.CancelFunc
	crew   sync.WaitGroup // of all doors, those shut before included

	mu     sync.Mutex // never held for long: whoever follows orders takes it
	doors  map[string]*door
	wanted []string    // the mappings that shall have a door
	again  *time.Timer // set while a door could not be opened
}

func newPrivate(c Config, o opener, log hclog.Logger) *private {
	ctx, cancel := context.WithCancel(context.Background())
	return &private{
		opener: o, sockets: c.Sockets, relay: c.Relay, log: log,
		ctx: ctx, cancel: cancel, doors: map[string]*door{},
	}
}

// has reports whether m has a private socket.
func (p *private) has(m tunnel.Mapping) bool {
	return p.sockets.Path != nil && p.ref.Owner != tunnel.Operator && m.Kind.Reaches()
}

// arrange makes the sockets those of ms. A mapping that keeps its name keeps its socket.
func (p *private) arrange(ms []tunnel.Mapping) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted = nil
	for _, m := range ms {
		if p.has(m) {
			p.wanted = append(p.wanted, m.Name)
		}
	}
	for name, d := range p.doors {
		if !slices.Contains(p.wanted, name) {
			delete(p.doors, name)
			d.shut()
		}
	}
	p.openAllLocked()
}

// openAllLocked opens every socket that shall be, now or as soon as it can be. That it cannot is logged once.
func (p *private) openAllLocked() {
	var failed []string
	for _, name := range p.wanted {
		if err := p.openLocked(name); err != nil {
			failed = append(failed, name+": "+err.Error())
		}
	}
	switch {
	case len(failed) == 0:
		p.stopAgainLocked()
	case p.again == nil:
		p.log.Error("private sockets cannot be opened; it is tried again and again", "errors", failed)
		p.again = time.AfterFunc(urgency, p.openAgain)
	default:
		p.again.Reset(urgency)
	}
}

func (p *private) stopAgainLocked() {
	if p.again != nil {
		p.again.Stop()
		p.again = nil
	}
}

func (p *private) openAgain() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.openAllLocked()
}

// openLocked opens the socket of a mapping unless it is open.
func (p *private) openLocked(name string) error {
	switch {
	case !slices.Contains(p.wanted, name):
		return errors.New("it is not wanted any more")
	case p.doors[name] != nil:
		return nil
	}
	d, err := openDoor(p, name)
	if err == nil {
		p.doors[name] = d
	}
	return err
}

// partingPatience is how long a tunnel that goes waits for the connections through its private sockets to end.
const partingPatience = 2 * time.Second

// close closes all sockets and the connections through them, and waits for these as long as it has patience.
func (p *private) close() {
	p.cancel()
	p.arrange(nil)
	if !part(&p.crew) {
		p.log.Warn("connections through private sockets do not end; they are left")
	}
}

// part waits for connections that were told to end, as long as there is patience, and reports whether they have.
func part(crew *sync.WaitGroup) bool {
	ended := make(chan struct{})
	go func() {
		crew.Wait()
		close(ended)
	}()
	timer := time.NewTimer(partingPatience)
	defer timer.Stop()
	select {
	case <-ended:
		return true
	case <-timer.C:
		return false
	}
}

// errTaken is that a private socket is not where it was put.
var errTaken = errors.New("it is not where it was put")

// prove connects to the private socket of m, if it has one, and meets the host there. One that is gone is put there
// anew with the next proof.
func (p *private) prove(ctx context.Context, m tunnel.Mapping) error {
	if !p.has(m) {
		return nil
	}
	p.mu.Lock()
	err := p.openLocked(m.Name)
	d := p.doors[m.Name]
	p.mu.Unlock()
	if err == nil {
		err = meet(ctx, p.sockets.Path(p.ref, m.Name))
	}
	if errors.Is(err, errTaken) {
		p.shut(d)
	}
	if err != nil {
		return &failed{Failure{
			Reason: tunnel.LocalPortInUse, Message: "its private socket does not work: " + err.Error(),
			Remedy: "look at the socket's directory: only the host writes there",
		}}
	}
	return nil
}

// shut closes a door for which there may be another by now.
func (p *private) shut(d *door) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.doors[d.name] == d {
		delete(p.doors, d.name)
		d.shut()
	}
}

// meet connects to the socket at path and hears the host there.
func meet(ctx context.Context, path string) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return errTaken
	}
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	pid, err := peer(conn.(*net.UnixConn))
	if err != nil {
		return err
	}
	if pid != os.Getpid() {
		return fmt.Errorf("%w: that of process %d is there", errTaken, pid)
	}
	_, err = io.ReadFull(conn, make([]byte, 1))
	return err
}
