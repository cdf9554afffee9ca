package pluginhost

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// Binary is one binary of a module: its checksum, in hex, and what it says of itself.
type Binary struct {
	SHA256      string
	Description tunnel.Description
}

// Candidate is the binary that waits for acceptance in the place of the accepted one: what its file shows, and once it
// was started for that, what it says of itself.
type Candidate struct {
	Binary              // without a Description before it is Described
	Described bool      // an Accept had it describe itself, and then came to nothing
	Problem   string    // why it did not when an Accept last started it, "" where none did, or it is Described
	Size      int64     // bytes
	UID       uint32    // whose file it is
	Modified  time.Time // when the file was last written
}

// found is what the last look saw under a module's name.
type found struct {
	there    bool      // something lies there
	problem  *unusable // why it cannot run
	sha      string    // where it can
	size     int64
	uid      uint32
	modified unix.Timespec
}

// module is one name in the plugin directory, or of a configuration. Two goroutines work for it: describe, which gets to
// know binaries, and keep, which has the accepted one run. Both do what the fields below ask for, and look again when
// changed is closed.
type module struct {
	host  *Host
	name  tunnel.Owner
	log   *moduleLog
	hurry chan struct{} // holds one word: what shall run was changed, so the next start need not wait as long as it would

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at each update

	found    found
	pin      *Binary               // the accepted one, nil before the first was described
	lost     error                 // why it is not known which one was accepted
	kept     string                // the checksum of the binary that there is a copy of, "" where there is none
	unkept   error                 // why there is none
	attempt  attempted             // at one
	rejected rejected              // the last binary that did not describe itself in the place of the accepted one
	pending  *Binary               // the other one that lies there now, when it has described itself
	mute     *unusable             // why the one that lies there has not described itself
	asking   int                   // how many Accepts wait for the other one's description
	trusted  string                // the checksum of the one that may run where nothing confines it
	trusting int                   // how many Accepts have what lies there run unconfined
	runs     map[string]tunnel.Run // by configuration
	purges   map[string]bool       // configurations whose directories shall go before another run of that name
	asked    int                   // calls under way that need a process: its judgement of settings
	testing  string                // the configuration that a test is under way of, "" for none
	acts     map[string]bool       // actions that operators asked for and that are under way, by configuration and name
	endTest  func(error)           // ends it
	closed   bool                  // the host is stopping
	turn     int                   // raised by each Restart and Accept: what runs from an earlier turn ends
	life     life                  // how far its process is
	served   int                   // the turn that the present process belongs to, or the last
	process  *running              // while life is alive
	doors    *doors                // of the present process, or the last; written by keep alone
	problem  *unusable             // why it is not alive though it should be
	renewed  time.Time             // when it was last started anew for what had been replaced
	contract int                   // the version that its last process spoke, 0 before the first
	restarts int
	active   map[string]*run // by configuration, in the present process
	told     Module
	toldRuns map[string]tunnel.ConfigurationStatus

	refusals wire.Pace // of the journal's entries
	unsaid   int
}

// life is how far the process of a module is.
type life int

const (
	dead life = iota
	starting
	alive
	ending
)

func newModule(h *Host, name tunnel.Owner) *module {
	m := &module{
		host: h, name: name, hurry: make(chan struct{}, 1), changed: make(chan struct{}), runs: make(map[string]tunnel.Run), purges: make(map[string]bool),
		active: make(map[string]*run), acts: make(map[string]bool), toldRuns: make(map[string]tunnel.ConfigurationStatus),
		refusals: wire.Pace{Rate: refusedRate, Burst: refusedBurst},
	}
	m.log = newModuleLog(newRing(filepath.Join(h.cfg.StateDir, "modules", string(name)+".log")), func(err error) {
		h.cfg.Log.Error("the module's log cannot be written", "module", name, "error", err)
	})
	return m
}

// work does all that is done for the module until ctx ends.
func (m *module) work(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { m.describe(ctx) })
	wg.Go(func() { m.keep(ctx) })
	wg.Go(func() { m.purge(ctx) })
	wg.Go(func() { m.preserve(ctx) })
	wg.Wait()
	m.log.ring.close()
}

// update is the one way to change a module: it applies f, tells the outside what it means, and wakes who waits.
func (m *module) update(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
	m.tellLocked()
	close(m.changed)
	m.changed = make(chan struct{})
}

// takeRun takes what shall be of one configuration.
func (m *module) takeRun(r tunnel.Run) {
	m.update(func() {
		before := m.runs[r.Ref.Name]
		if r.Gone {
			delete(m.runs, r.Ref.Name)
		} else {
			m.runs[r.Ref.Name] = r
		}
		if r.Purge {
			m.purges[r.Ref.Name] = true
		}
		if (r.Gone || r.Purge) && m.testing == r.Ref.Name {
			m.endTest(errRemoved)
		}
		if r.Revision != before.Revision || r.Enabled != before.Enabled || r.Gone {
			m.hurryUp()
		}
	})
}

// hurryUp has the next start of the process come soon.
func (m *module) hurryUp() {
	select {
	case m.hurry <- struct{}{}:
	default:
	}
}

// dirs makes the module's directories.
func (m *module) dirs() error {
	if err := os.MkdirAll(m.host.tempDir(m.name), 0o700); err != nil {
		return err
	}
	return m.host.sockets.Prepare(m.name)
}

// enabledLocked reports whether some configuration shall run.
func (m *module) enabledLocked() bool {
	for _, r := range m.runs {
		if r.Enabled {
			return true
		}
	}
	return false
}

// currentLocked reports whether the process that runs is the one that shall: not one of an earlier turn, about to end.
func (m *module) currentLocked() bool { return m.life == alive && m.served == m.turn }

// neededLocked reports whether a process is needed.
func (m *module) neededLocked() bool { return m.enabledLocked() || m.testing != "" || m.asked > 0 }

// firstLocked reports whether no binary was accepted under this name yet: the next one is, once it has described itself.
func (m *module) firstLocked() bool { return m.pin == nil && m.lost == nil }

// accepted reports whether sha is the checksum of the accepted binary.
func (m *module) accepted(sha string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pin != nil && m.pin.SHA256 == sha
}

// otherLocked reports whether a binary lies there that is not the accepted one.
func (m *module) otherLocked() bool {
	return m.found.sha != "" && !m.firstLocked() && (m.pin == nil || m.found.sha != m.pin.SHA256)
}

// candidateLocked is the other binary that lies there, nil where none does.
func (m *module) candidateLocked() *Candidate {
	if !m.otherLocked() {
		return nil
	}
	f := m.found
	c := &Candidate{Binary: Binary{SHA256: f.sha}, Size: f.size, UID: f.uid, Modified: time.Unix(f.modified.Unix()).UTC()}
	if m.pending != nil {
		c.Binary, c.Described = *m.pending, true
	} else if m.mute != nil {
		c.Problem = m.mute.message
	}
	return c
}
