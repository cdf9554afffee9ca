package sdktest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"slices"
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
	*bench
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
func (s subject) prepare(b *bench) (*trial, judgement) {
	b.Helper()
	p, err := s.open(b)
	if err != nil {
		return nil, notJudged("%v", err)
	}
	tr := &trial{bench: b, s: s, o: &observed{Plugin: p, said: s.said}}
	if tr.w, err = newWorld(b, tr.o, s.settings, s.with); err != nil {
		return nil, notJudged("%v", err)
	}
	tr.c = tr.w.first()
	b.where = fmt.Sprintf("%s with the settings %s", tr.c.ref, tr.settings())
	tr.w.room = s.room
	tr.w.sites.others = func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
	tr.addTunnels()
	return tr, judgement{}
}

// settings are those of the trial, as they may be shown.
func (tr *trial) settings() string { return shown(tr.w.said.Schema, tr.s.settings) }

// hasSites reports whether the settings may have a site at all, and hasServer whether one has a server.
func (tr *trial) hasSites() bool {
	return len(settings.Sites(tr.w.said.Schema, exampleOf(tr.w.said))) > 0
}

func (tr *trial) hasServer() bool {
	for _, site := range settings.Sites(tr.w.said.Schema, json.RawMessage(tr.s.settings)) {
		if site.Server != "" {
			return true
		}
	}
	return false
}

// reaches reports whether the module has something to dial.
func (tr *trial) reaches() bool {
	return tr.hasSites() && slices.ContainsFunc(tr.w.said.Slots, func(s tunnel.Slot) bool { return slices.ContainsFunc(s.Kinds, tunnel.Kind.Reaches) })
}

// addTunnels gives the module, where its policy allows it, a tunnel of the operator's, and the operator one of his own.
func (tr *trial) addTunnels() {
	server, _ := tunnel.ParseServer("tunnel@office.example.org")
	given := tunnel.Ref{Owner: tr.c.ref.Module, Name: "given"}
	_ = tr.w.AddTunnel(tunnel.Tunnel{Ref: office, Server: server})
	tr.w.Report(office, tunnel.Status{State: tunnel.Up})
	tr.sites = siteNames(tr.w.said.Schema, tr.s.settings, Configuration)
	if tr.w.AddTunnel(tunnel.Tunnel{Ref: given, Server: server}) == nil {
		tr.sites = append(tr.sites, "given")
	}
}

// running makes a rule of one for a module that runs and is at rest.
func running(judge func(*trial) judgement) func(*bench, subject) judgement {
	return func(b *bench, s subject) judgement {
		b.Helper()
		tr, j := s.prepare(b)
		if tr == nil {
			return j
		}
		j, ok := tr.begin()
		if ok {
			j = judge(tr)
			tr.c.stop()
		}
		return j
	}
}

// begin starts the module and reports whether it got to rest without failing, which rule Run judges.
func (tr *trial) begin() (j judgement, ok bool) {
	tr.Helper()
	tr.c.start()
	tr.rest(3 * tr.s.quiet) // what is known of it now is what all else is held against
	for _, err := range tr.o.ended() {
		if err != nil {
			tr.c.stop()
			return notJudged("Run failed before: %v", err), false
		}
	}
	return j, true
}

// endsAtAll reports whether a module at rest ends when it is told, which the rules of ending judge.
func (s subject) endsAtAll(b *bench) (j judgement, ok bool) {
	b.Helper()
	tr, j := s.prepare(b.apart())
	if tr == nil {
		return j, false
	}
	if j, ok := tr.begin(); !ok {
		return j, false
	}
	if tr.c.stop().late {
		return notJudged("Run does not even end at rest: see rule EndAtRest"), false
	}
	return j, true
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

// declared are the configuration's own tunnels, as text, by name.
func (tr *trial) declared() (all []string) {
	for v, err := range tr.w.As(tr.c.ref.Module).List(context.Background()) {
		if err == nil && v.Ref.Owner == tr.c.ref.Module && v.ManagedBy() == tunnel.ByModule && v.Configuration == tr.c.ref.Name {
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
