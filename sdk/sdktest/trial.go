package sdktest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Patience of a trial. Both are ceilings: a module that does its work takes milliseconds.
const (
	settleLimit = 5 * time.Second  // for a module that never rests
	backLimit   = 20 * time.Second // to come back after a fault
)

// trial is one module in a world, to be judged by one rule.
type trial struct {
	testing.TB
	s     subject
	w     *World
	c     *Configured // the first configuration
	o     *observed
	sites []string
}

// office is another owner's tunnel, which every module sees.
var office = tunnel.Ref{Owner: tunnel.Operator, Name: "office"}

// prepare makes the world of a trial, in which the module does not run yet. It is nil where that cannot be, which the
// first rules have said.
func (s subject) prepare(t testing.TB) *trial {
	t.Helper()
	p, err := s.open(t)
	if err != nil {
		t.Logf("not judged: %v", err)
		return nil
	}
	tr := &trial{TB: t, s: s, o: &observed{Plugin: p, said: s.said}}
	if tr.w, err = newWorld(t, tr.o, s.settings, s.with); err != nil {
		t.Logf("not judged: %v", err)
		return nil
	}
	tr.c = tr.w.first()
	tr.w.room = s.room
	tr.w.sites.others = func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
	tr.addTunnels()
	return tr
}

// addTunnels gives the module, where its policy allows it, a tunnel of the operator's, and the operator one of his own.
func (tr *trial) addTunnels() {
	server, _ := tunnel.ParseServer("tunnel@office.example.org")
	given := tunnel.Ref{Owner: tr.c.ref.Module, Name: "given"}
	for _, ref := range []tunnel.Ref{office, given} {
		_ = tr.w.AddTunnel(tunnel.Tunnel{Ref: ref, Server: server})
	}
	tr.w.Report(office, tunnel.Status{State: tunnel.Up})
	tr.sites = []string{"given"}
	for path := range settings.Sites(tr.w.said.Schema, json.RawMessage(tr.s.settings)) {
		tr.sites = append(tr.sites, siteOf(tunnel.Ref{Name: tunnel.SettingsName(Configuration, path)}))
	}
}

// running makes a rule of one for a module that runs and is at rest.
func running(judge func(*trial)) func(testing.TB, subject) {
	return func(t testing.TB, s subject) {
		t.Helper()
		if tr := s.prepare(t); tr != nil && tr.begin() {
			judge(tr)
			tr.c.stop()
		}
	}
}

// begin starts the module and reports whether it got to rest without failing, which rule Run judges.
func (tr *trial) begin() bool {
	tr.Helper()
	tr.c.start()
	tr.rest(3 * tr.s.quiet) // what is known of it now is what all else is held against
	for _, err := range tr.o.ended() {
		if err != nil {
			tr.Logf("not judged, since Run failed before: %v", err)
			tr.c.stop()
			return false
		}
	}
	return true
}

// endsAtAll reports whether a module at rest ends when it is told, which the rules of ending judge.
func (s subject) endsAtAll(t testing.TB) bool {
	t.Helper()
	tr := s.prepare(t)
	if tr == nil || !tr.begin() {
		return false
	}
	late := tr.c.stop().late
	if late {
		tr.Logf("not judged, since Run does not even end at rest")
	}
	return !late
}

// settle returns when the module has done all it does by itself.
func (tr *trial) settle() { tr.rest(tr.s.quiet) }

func (tr *trial) rest(d time.Duration) {
	begin := time.Now()
	for time.Since(begin) < d || !tr.o.rests(d, tr.s.first) && time.Since(begin) < settleLimit {
		time.Sleep(d / 10)
	}
}

// until waits until f holds, at most for backLimit.
func (tr *trial) until(f func() bool) bool {
	for end := time.Now().Add(backLimit); !f(); time.Sleep(tr.s.quiet / 5) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// stands waits until the module is at work again, or done, and stays so.
func (tr *trial) stands() bool {
	return tr.until(func() bool { return tr.o.stands(tr.s.quiet) })
}

// fault makes something wrong with every tunnel that the module has or sees.
func (tr *trial) fault(f Fault) {
	for _, site := range tr.sites {
		tr.w.Fault(site, f)
	}
	if f.state != "" {
		tr.w.Report(office, tunnel.Status{State: f.state, Reason: f.reason, Message: asWanted})
	}
}

func (tr *trial) heal() {
	tr.fault(Fault{})
	tr.w.Report(office, tunnel.Status{State: tunnel.Up})
}

// declared are the module's own tunnels, as text, by name.
func (tr *trial) declared() (all []string) {
	for v, err := range tr.w.As(tr.c.ref.Module).List(context.Background()) {
		if err == nil && v.Ref.Owner == tr.c.ref.Module && v.ManagedBy() == tunnel.ByModule {
			all = append(all, fmt.Sprintf("%s to %s with %v", v.Ref, v.Server, v.Mappings))
		}
	}
	return all
}

// withdrawn are those of the tunnels that are no more, or not as they were.
func (tr *trial) withdrawn(set []string) []string {
	now := tr.declared()
	return slices.DeleteFunc(slices.Clone(set), func(t string) bool { return slices.Contains(now, t) })
}

// newAttempts are those that ended since there were n.
func (tr *trial) newAttempts(n int) []error { return tr.o.ended()[n:] }
