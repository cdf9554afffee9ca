package pluginhost

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// rig is a host with a plugin directory, a catalog and a journal in memory.
type rig struct {
	*Host
	t       testing.TB
	catalog *catalog
	stop    func()

	mu      sync.Mutex
	events  []tunnel.Event
	service map[tunnel.Owner]*service
}

// newRig makes a host that does not run yet.
func newRig(t testing.TB) *rig {
	t.Helper()
	return newRigIn(t, t.TempDir(), shortDir(t))
}

// shortDir is a directory for sockets, whose paths must be short.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "ph")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func newRigIn(t testing.TB, dir, sockets string) *rig {
	r := &rig{t: t, catalog: newCatalog(), service: make(map[tunnel.Owner]*service)}
	plugins := filepath.Join(dir, "plugins")
	if err := os.MkdirAll(plugins, 0o755); err != nil {
		t.Fatal(err)
	}
	r.Host = New(Config{
		Dir: plugins, StateDir: filepath.Join(dir, "state"), SocketDir: sockets, AllowOwn: true,
		Catalog: r.catalog, Service: r.serviceOf, Tell: r.tell, Log: hclog.NewNullLogger(),
	})
	r.copies.limit = 0                                             // but where a test is about them: most are of many modules, and look at what is done without one
	r.lookEvery, r.startTimeout = 20*time.Millisecond, time.Minute // a busy machine is not what these tests test
	return r
}

// run runs the host until the test ends, or stop is called.
func (r *rig) run() *rig {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				r.t.Errorf("Run: %v", err)
			}
		case <-time.After(time.Minute):
			r.t.Error("Run does not return")
		}
	})
	r.t.Cleanup(r.stop)
	return r
}

func (r *rig) tell(e tunnel.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// told are the events so far that fit.
func (r *rig) told(fits func(tunnel.Event) bool) []tunnel.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.events), func(e tunnel.Event) bool { return !fits(e) })
}

// install puts the test binary into the plugin directory, as another binary where version is not "".
func (r *rig) install(name, version string) string {
	r.t.Helper()
	path := filepath.Join(r.cfg.Dir, name)
	next := path + ".new"
	self, err := os.Executable()
	if err != nil {
		r.t.Fatal(err)
	}
	if version == "" {
		err = os.Link(self, next)
	} else {
		err = copyWithVersion(self, next, version)
	}
	if err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return path
}

func copyWithVersion(from, to, version string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	b = append(b, fmt.Sprintf("VERSION=%-8s", version)...)
	return os.WriteFile(to, b, 0o755)
}

// trust has a module run though nothing confines it.
func (r *rig) trust(name tunnel.Owner) {
	r.t.Helper()
	if _, _, err := r.Accept(context.Background(), "operator:0", name, true); err != nil {
		r.t.Fatal(err)
	}
}

// configure adds an enabled configuration, or changes it.
func (r *rig) configure(ref, do string) tunnel.ConfigurationRef {
	r.t.Helper()
	c, fs := tunnel.ParseConfigurationRef(ref)
	if len(fs) > 0 {
		r.t.Fatal(fs)
	}
	settings, err := json.Marshal(orders{Do: do})
	if err != nil {
		r.t.Fatal(err)
	}
	r.catalog.change(c, func(run *tunnel.Run) { run.Enabled = true; run.Revision++ }, settings)
	return c
}

func (r *rig) disable(c tunnel.ConfigurationRef) {
	r.catalog.change(c, func(run *tunnel.Run) { run.Enabled = false }, nil)
}

// is waits until the module is as wanted.
func (r *rig) is(name tunnel.Owner, state State, reason tunnel.Reason) Module {
	r.t.Helper()
	var m Module
	r.eventually(fmt.Sprintf("%s is %s %s", name, state, reason), func() bool {
		m = r.of(name)
		return m.State == state && m.Reason == reason
	}, func() string { return fmt.Sprintf("it is %+v\n%s", r.of(name), r.logOf(name)) })
	return m
}

func (r *rig) of(name tunnel.Owner) Module {
	for _, m := range r.Modules() {
		if m.Name == name {
			return m
		}
	}
	return Module{}
}

// reports waits until the configuration is as wanted.
func (r *rig) reports(c tunnel.ConfigurationRef, state tunnel.ConfigurationState, reason tunnel.Reason) tunnel.ConfigurationStatus {
	r.t.Helper()
	var s tunnel.ConfigurationStatus
	r.eventually(fmt.Sprintf("%s is %s %s", c, state, reason), func() bool {
		s = r.catalog.status(c)
		return s.State == state && s.Reason == reason
	}, func() string { return fmt.Sprintf("it is %+v\n%s", s, r.logOf(c.Module)) })
	return s
}

func (r *rig) eventually(what string, ok func() bool, but func() string) {
	r.t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("not within a minute: %s; %s", what, but())
		}
	}
}

// note waits for a file that the test plugin's run writes.
func (r *rig) note(c tunnel.ConfigurationRef, file string) string {
	r.t.Helper()
	return r.noteOf(c.Module, c.Name, file)
}

func (r *rig) noteOf(name tunnel.Owner, configuration, file string) string {
	r.t.Helper()
	path := filepath.Join(r.stateDir(name), configuration, file)
	var b []byte
	r.eventually("a run writes "+path, func() bool {
		b, _ = os.ReadFile(path)
		return len(b) > 0
	}, func() string { return r.logOf(name) })
	return string(b)
}

func (r *rig) noted(c tunnel.ConfigurationRef, file string) bool {
	_, err := os.Stat(filepath.Join(r.stateDir(c.Module), c.Name, file))
	return err == nil
}

func (r *rig) logOf(name tunnel.Owner) string {
	var b strings.Builder
	for line, err := range r.Log(context.Background(), name, false) {
		if err != nil {
			return err.Error()
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

func alivePid(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !bytes.Contains(b, []byte(") Z "))
}

// catalog is the registry's part for modules, in memory.
type catalog struct {
	mu          sync.Mutex
	pins        map[tunnel.Owner]Binary
	grants      map[tunnel.Owner][]tunnel.Grant
	unsandboxed map[tunnel.Owner]string
	by          []string // who pinned
	damaged     error    // why nobody knows what was pinned
	present     []tunnel.Owner
	runs        map[tunnel.ConfigurationRef]tunnel.Run
	settings    map[tunnel.ConfigurationRef]json.RawMessage
	statuses    map[tunnel.ConfigurationRef]tunnel.ConfigurationStatus
	dirty       map[tunnel.ConfigurationRef]bool
	wake        chan struct{}
}

var _ Catalog = (*catalog)(nil)

func newCatalog() *catalog {
	return &catalog{
		grants: map[tunnel.Owner][]tunnel.Grant{}, unsandboxed: map[tunnel.Owner]string{},
		pins: map[tunnel.Owner]Binary{}, runs: map[tunnel.ConfigurationRef]tunnel.Run{}, settings: map[tunnel.ConfigurationRef]json.RawMessage{},
		statuses: map[tunnel.ConfigurationRef]tunnel.ConfigurationStatus{}, dirty: map[tunnel.ConfigurationRef]bool{}, wake: make(chan struct{}, 1),
	}
}

func (c *catalog) change(ref tunnel.ConfigurationRef, f func(*tunnel.Run), settings json.RawMessage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.runs[ref]
	r.Ref = ref
	f(&r)
	c.runs[ref] = r
	if settings != nil {
		c.settings[ref] = settings
	}
	c.dirty[ref] = true
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *catalog) status(ref tunnel.ConfigurationRef) tunnel.ConfigurationStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.statuses[ref]
}

func (c *catalog) Module(_ context.Context, name tunnel.Owner) (string, tunnel.Description, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b, ok := c.pins[name]
	return b.SHA256, b.Description, ok, c.damaged
}

func (c *catalog) PinModule(_ context.Context, by string, name tunnel.Owner, sha string, d tunnel.Description) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pins[name] = Binary{SHA256: sha, Description: d}
	c.by = append(c.by, by)
	return nil
}

func (c *catalog) Grants(_ context.Context, name tunnel.Owner) ([]tunnel.Grant, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.grants[name]), nil
}

// grant has the module granted exactly these.
func (c *catalog) grant(name tunnel.Owner, grants ...tunnel.Grant) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.grants[name] = grants
}

func (c *catalog) Unsandboxed(_ context.Context, name tunnel.Owner) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.unsandboxed[name], nil
}

func (c *catalog) AllowUnsandboxed(_ context.Context, _ string, name tunnel.Owner, sha string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unsandboxed[name] = sha
	return nil
}

// pin is the checksum of the accepted binary.
func (c *catalog) pin(name tunnel.Owner) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pins[name].SHA256
}

func (c *catalog) SetPresent(present []tunnel.Owner) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.present = present
}

func (c *catalog) Runs(ctx context.Context) iter.Seq2[tunnel.Run, error] {
	return func(yield func(tunnel.Run, error) bool) {
		for {
			for _, r := range c.take() {
				if !yield(r, nil) {
					return
				}
			}
			select {
			case <-c.wake:
			case <-ctx.Done():
				yield(tunnel.Run{}, ctx.Err())
				return
			}
		}
	}
}

func (c *catalog) take() []tunnel.Run {
	c.mu.Lock()
	defer c.mu.Unlock()
	var runs []tunnel.Run
	for ref := range c.dirty {
		runs = append(runs, c.runs[ref])
		if c.runs[ref].Gone {
			delete(c.runs, ref)
		}
	}
	clear(c.dirty)
	return runs
}

func (c *catalog) RunSettings(_ context.Context, ref tunnel.ConfigurationRef) (json.RawMessage, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if string(c.settings[ref]) == `{"do":"unreadable"}` {
		return nil, &tunnel.StatusError{Reason: tunnel.SecretUnreadable, Message: "the master key is another one"}
	}
	if string(c.settings[ref]) == `{"do":"invalid"}` {
		return nil, tunnel.Findings{{Code: tunnel.Required, Field: "base", Message: "a value is missing"}}
	}
	return c.settings[ref], nil
}

// TrialSettings takes doc as it is; "elsewhere" is a site that it gives otherwise.
func (c *catalog) TrialSettings(_ context.Context, _ tunnel.ConfigurationRef, doc json.RawMessage) (json.RawMessage, []string, error) {
	if strings.Contains(string(doc), "elsewhere") {
		return doc, []string{"site"}, nil
	}
	return doc, nil, nil
}

func (c *catalog) CandidateSettings(_ context.Context, _ tunnel.ConfigurationRef, doc json.RawMessage) (json.RawMessage, error) {
	return doc, nil
}

func (c *catalog) ReportConfiguration(ref tunnel.ConfigurationRef, s tunnel.ConfigurationStatus) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.statuses[ref] = s
}

// service is the registry as one owner sees it: it only remembers what was declared through it.
type service struct {
	tunnel.Service
	mu       sync.Mutex
	declared []tunnel.Declaration
}

func (r *rig) serviceOf(owner tunnel.Owner) tunnel.Service {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.service[owner] == nil {
		r.service[owner] = &service{}
	}
	return r.service[owner]
}

func (r *rig) declared(owner tunnel.Owner) []tunnel.Declaration {
	s := r.serviceOf(owner).(*service)
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.declared)
}

func (s *service) Declare(_ context.Context, _ string, set []tunnel.Declaration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.declared = append(s.declared, set...)
	return nil
}
