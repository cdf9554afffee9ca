package supervisor

import (
	"strings"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// The states of a tunnel, and what moves it:
//
//	disabled, inactive, blocked (no secret)     said by the source: no link is due
//	      │ wanted
//	      ▼
//	connecting ──── no TCP, or connected but failed ────▶ waiting ── time ──▶ connecting
//	      │    └─── login refused, host key changed ────▶ blocked ── time or change ──▶ connecting
//	      │ the link stands and every mapping has had its first verdict
//	      ▼
//	up ◀── every mapping proved ──▶ degraded (some mapping is not up, or the server does not answer)
//	      │ the link is gone, or silent: then it rests
//	      ▼
//	connecting, waiting or blocked ── the link that rests answers ──▶ connecting
//
// A login that is spared because those of other tunnels were refused is waiting; one that was refused itself stays blocked.
//
// A retry stays in waiting or blocked until it has reached the server or has run for a second, so that a dead server
// costs one report and not two every three seconds. While it runs the last failure stays in sight; a change or a
// restart takes it away, and the message then tells the stage of the attempt, see stageText.

// transition is the one way from state to state: it notes, logs and reports. Callers hold s.mu.
func (s *standing) transition(to tunnel.State, why Failure, next time.Time) {
	changed := to != s.state
	if changed {
		s.since = time.Now()
	}
	if changed || why.Reason != s.why.Reason {
		s.log.Info("tunnel is "+string(to), "was", string(s.state), "reason", string(why.Reason), "message", why.Message)
	}
	s.state, s.why, s.next = to, why, next
	s.tell()
	close(s.turned)
	s.turned = make(chan struct{})
}

// supersede says that something else is wanted of the tunnel from now on, its mappings included. A link of before
// counts no more.
func (s *standing) supersede(w tunnel.Wanted) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop()
	s.adopt(w.Tunnel)
	s.askAnew()
	s.edition = w.Edition
	s.begin(w)
}

// follow says what is wanted now that it is set about, and returns the round that begins with it. What attempts of
// another round say later counts for nothing.
func (s *standing) follow(w tunnel.Wanted) (round uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop()
	s.begin(w)
	return s.round
}

// begin says what the tunnel begins: an attempt, to which no failure of before counts, or nothing, and why. Callers
// hold s.mu.
func (s *standing) begin(w tunnel.Wanted) {
	s.round++
	s.wire = tunnel.Statement{}
	switch {
	case w.Gone:
		s.report = func(tunnel.Status) {}
	case w.Active:
		s.fresh, s.curious = true, true
		s.transition(tunnel.Connecting, Failure{}, time.Time{})
	default:
		s.transition(w.State, Failure{Reason: w.Reason, Message: w.Message, Remedy: w.Remedy}, time.Time{})
	}
}

// end ends all reports.
func (s *standing) end() { s.follow(tunnel.Wanted{Gone: true}) }

// retry says that the attempt a tunnel waited for starts. The failure before it stays in sight.
func (s *standing) retry(round uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.round == round && s.state != tunnel.Connecting {
		s.next = time.Now()
		s.tell()
	}
}

// trying says that a running attempt is worth reporting.
func (s *standing) trying(round uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.round == round && s.usable() == nil && s.state != tunnel.Connecting {
		s.transition(tunnel.Connecting, s.why, time.Time{})
	}
}

// stage notes how far an attempt is.
func (s *standing) stage(round uint64, at Stage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.round != round || s.usable() != nil {
		return
	}
	why := s.why
	if s.fresh {
		why = Failure{Message: stageText(at)}
	}
	if s.state == tunnel.Connecting || at == StageHostKey || at == StageLogin {
		s.transition(tunnel.Connecting, why, time.Time{})
	}
}

// stageText is a tunnel's message while its first attempt after a change runs.
func stageText(at Stage) string {
	switch at {
	case StageName:
		return "looking up the server's name"
	case StageTCP:
		return "connecting to the server"
	case StageProxy:
		return "asking the proxy for the way to the server"
	case StageHostKey:
		return "checking the host key"
	case StageLogin:
		return "logging in"
	}
	return "proving the mappings"
}

// failed says how a tunnel goes on after an attempt or a link: the state it is in and until when, zero for a change.
func (s *standing) failed(round uint64, to tunnel.State, why Failure, next time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.round != round {
		return
	}
	s.fresh = false
	if why.Version != "" {
		s.version = tunnel.Clean(why.Version, 120)
	}
	if !s.rests {
		s.drop()
		s.wire = down(why)
	}
	s.transition(to, why, next)
}

// linked says that a link stands; nothing is proved through it yet. It reports whether it is still wanted.
func (s *standing) linked(round uint64, l Link) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.round != round {
		return false
	}
	s.drop()
	s.link, s.proved, s.answered = l, false, false
	s.wire = tunnel.Statement{State: tunnel.Up, At: time.Now()}
	s.version = tunnel.Clean(l.ServerVersion(), 120)
	if s.fresh {
		s.why = Failure{Message: stageText("")}
	}
	s.settle()
	return true
}

// drop forgets the link, if there is one, and with it every proof and whether its server answers. Callers hold s.mu.
func (s *standing) drop() {
	for _, m := range s.mappings {
		m.withdrawn(s.link)
		m.verdicts = verdicts{}
	}
	s.link, s.rests, s.busy = nil, false, Failure{}
}

// settle moves a linked tunnel to the state that its verdicts add up to. Callers hold s.mu.
func (s *standing) settle() {
	if s.usable() == nil {
		s.tell()
		return
	}
	for _, m := range s.mappings {
		m.count(s.link)
	}
	to, why := s.sum()
	s.proved = s.proved || to.Linked()
	if to == tunnel.Up {
		s.whole = s.link
	}
	s.transition(to, why, time.Time{})
}

// sum adds up the verdicts of a linked tunnel.
//
// A mapping that is added while others are proved does not take them down with it: the tunnel is degraded, not
// connecting, until the new one has had its verdict.
func (s *standing) sum() (tunnel.State, Failure) {
	if !s.proved && s.awaiting() {
		return tunnel.Connecting, s.proving()
	}
	if s.silent() {
		return tunnel.Degraded, s.busy
	}
	for _, m := range s.mappings {
		if state, why := m.judge(); state != tunnel.Up {
			why.Message = m.Name + ": " + why.Message
			return tunnel.Degraded, why
		}
	}
	return tunnel.Up, Failure{}
}

// proving is what is said of a tunnel while it proves its mappings: which are outstanding, once some are not. A failure of
// before stays in sight.
func (s *standing) proving() Failure {
	var names []string
	for _, m := range s.mappings {
		if !m.judged() {
			names = append(names, m.Name)
		}
	}
	if !s.fresh || len(names) == len(s.mappings) {
		return s.why
	}
	return Failure{Message: "proving " + strings.Join(names, ", ")}
}

// awaiting reports whether something has not had its first verdict.
func (s *standing) awaiting() bool {
	for _, m := range s.mappings {
		if !m.judged() {
			return true
		}
	}
	return len(s.mappings) == 0 && !s.answered
}
