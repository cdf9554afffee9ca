package sdktest

import (
	"encoding/json"
	"sync"

	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// Configured is one configuration of the module under test, whose Run has its own instance, directory and tunnels.
type Configured struct {
	w      *World
	ref    tunnel.ConfigurationRef
	module wire.Plugin
	dir    string
	there  bool       // it has not been removed
	run    *run       // nil when stopped
	runMu  sync.Mutex // of who asks whether there is one beside who stops it
	lines  []*line
	last   error
}

// Reconfigure gives the configuration other settings, as `culvert config set` does: what is wrong with them is returned
// and changes nothing, else the module is stopped and runs with the new ones.
func (c *Configured) Reconfigure(settings string) error {
	c.w.t.Helper()
	if err := c.w.accept(c.ref, settings); err != nil {
		return err
	}
	_ = c.Stop()
	c.start()
	return nil
}

// Restart stops Run and starts it again, in the directory it had. It returns what the former Run returned.
func (c *Configured) Restart() error {
	c.w.t.Helper()
	err := c.Stop()
	c.start()
	return err
}

// Disable disables the configuration while it runs, as `culvert config disable` does: its tunnels become inactive, their
// connections are reset, and Run's context ends. It returns what Run returned.
func (c *Configured) Disable() error {
	c.w.t.Helper()
	if err := c.w.World.Enable(c.ref, false); err != nil {
		c.w.t.Errorf("disable %s: %v", c.ref, err)
	}
	return c.Stop()
}

// Enable enables the configuration again and starts its Run.
func (c *Configured) Enable() {
	c.w.t.Helper()
	if err := c.w.World.Enable(c.ref, true); err != nil {
		c.w.t.Errorf("enable %s: %v", c.ref, err)
	}
	c.start()
}

// Remove removes the configuration while it runs, with all its tunnels. It returns what Run returned.
func (c *Configured) Remove() error {
	c.w.t.Helper()
	if err := c.w.RemoveConfiguration(c.ref); err != nil {
		c.w.t.Errorf("remove %s: %v", c.ref, err)
	}
	c.there = false
	return c.Stop()
}

// Stop ends Run's context and returns the error Run returned, nil for the context's own. It fails the test when Run
// takes longer than Grace, or leaves a goroutine or a connection behind. Stopped again it returns the same.
func (c *Configured) Stop() error {
	c.w.t.Helper()
	for _, wrong := range c.stop().wrong() {
		c.w.t.Errorf("%s", wrong)
	}
	return c.last
}

// stop stops the run, if there is one.
func (c *Configured) stop() (e ending) {
	if c.run == nil {
		return e
	}
	r := c.run
	c.runMu.Lock()
	c.run = nil
	c.runMu.Unlock()
	e.grace = r.grace
	c.last, e.late = r.stop(max(c.w.room, 1) * r.grace)
	if e.late {
		e.stands = stacksOf(r.mark)
		return e
	}
	e.goroutines, e.connections = leaked(r.mark), c.w.sites.left(c.ref.Name)
	return e
}

// runs reports whether there is a run; it may be asked while that is stopped.
func (c *Configured) runs() bool {
	c.runMu.Lock()
	defer c.runMu.Unlock()
	return c.run != nil
}

// start begins a run with the present settings.
func (c *Configured) start() {
	l := c.newLine()
	r := startRun(c.module, c.asRun(l), l)
	c.runMu.Lock()
	c.run = r
	c.runMu.Unlock()
}

// asRun is what a run, or a test, is given.
func (c *Configured) asRun(h wire.Host) wire.Run {
	return wire.Run{Configuration: c.ref.Name, Settings: c.given(), Dir: c.dir, Log: c.w.log.of(c.ref.Name), Host: h, Granted: c.w.granted()}
}

// newLine is a connection to the host, for one run or test.
func (c *Configured) newLine() *line {
	l := newLine(host{c.w.As(c.ref.Module), c.w, c.ref})
	c.lines = append(c.lines, l)
	return l
}

// cut ends the calls of what its runs left behind.
func (c *Configured) cut() {
	for _, l := range c.lines {
		l.cut()
	}
}

// given are the settings as the real host gives them: without the passwords of sites and of their proxies.
func (c *Configured) given() json.RawMessage {
	return given(c.w.said.Schema, c.w.Settings(c.ref))
}

func given(schema, doc json.RawMessage) json.RawMessage {
	shown, secrets := settings.Part(schema, doc)
	for site := range settings.Sites(schema, doc) {
		delete(secrets, site+".password")
		delete(secrets, site+".via_password")
	}
	return settings.Join(schema, shown, secrets)
}
