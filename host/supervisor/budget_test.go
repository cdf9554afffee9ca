package supervisor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// known has the login of active tunnels work at their server, once, and leaves no tunnel behind.
func (s *stage) known() {
	s.t.Helper()
	first := tunnel.Ref{Owner: tunnel.Operator, Name: "first"}
	s.source.want(active(first, 1))
	s.pass(0)
	s.expect(first, tunnel.Up, "")
	s.source.want(tunnel.Wanted{Tunnel: tunnel.Tunnel{Ref: first}, Gone: true})
	s.pass(0)
}

// as is a tunnel that logs in as somebody.
func as(user string) tunnel.Wanted {
	w := active(tunnel.Ref{Owner: tunnel.Operator, Name: tunnel.Name(user)}, 1)
	w.Tunnel.Server.User = user
	return w
}

// refusals are when a server refused a login.
type refusals struct {
	mu sync.Mutex
	at []time.Time
}

func (r *refusals) note() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at = append(r.at, time.Now())
}

func (r *refusals) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.at)
}

// strict is a server that refuses everybody whose name begins with wrong.
func (r *refusals) strict(_ context.Context, a Attempt) error {
	a.Stage(Step{Stage: StageLogin})
	if strings.HasPrefix(a.Server.User, "wrong") {
		r.note()
		return fail(tunnel.LoginRefused)
	}
	return nil
}

// spread fails the test where more than six refusals came within ten minutes, those before from not counted.
func (r *refusals) spread(t *testing.T, from int) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.at[from:]
	for i := range at {
		if i >= 6 && at[i].Sub(at[i-6]) <= 10*time.Minute {
			t.Fatalf("seven refusals in %s", at[i].Sub(at[i-6]))
		}
	}
}

func TestWrongPasswordsNeverLockOutTheGoodTunnels(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		var seen refusals
		s.engine.connect = seen.strict
		good := as("good")
		good.Tunnel.Pin = tunnel.Pin{State: tunnel.PinLearned, KeyType: "ssh-ed25519", Fingerprint: "SHA256:k"} // it worked once
		for i := range 20 {
			s.source.want(as(fmt.Sprintf("wrong%02d", i)))
		}
		s.source.want(good)
		for range 4 * 60 {
			s.pass(time.Minute)
			s.expect(good.Tunnel.Ref, tunnel.Up, "")
			s.engine.of(good.Tunnel.Ref).breaks(fail(tunnel.LinkLost))
			s.pass(0)
			if s.engine.of(good.Tunnel.Ref) == nil {
				t.Fatal("a login that has worked waits")
			}
		}
		seen.spread(t, 0)
		if n := seen.count(); n < 60 {
			t.Errorf("only %d attempts in four hours", n)
		}
		for i := range 20 {
			ref := as(fmt.Sprintf("wrong%02d", i)).Tunnel.Ref
			now := s.expect(ref, tunnel.Blocked, tunnel.LoginRefused)
			if now.NextAttempt.Before(time.Now()) || now.Remedy == "" && !strings.Contains(now.Message, "because of") {
				t.Errorf("%s: %+v", ref, now)
			}
			if !s.engine.tried(ref) {
				t.Errorf("%s was never tried", ref)
			}
		}
	})
}

// tried reports whether a tunnel's login was.
func (e *fakeEngine) tried(ref tunnel.Ref) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.ContainsFunc(e.plans, func(a Attempt) bool { return a.Ref == ref })
}

// of is the link of a tunnel that stands, nil where there is none.
func (e *fakeEngine) of(ref tunnel.Ref) *fakeLink {
	for _, l := range e.live() {
		if l.ref == ref {
			return l
		}
	}
	return nil
}

func TestALoginThatSomebodyMendedGoesFirst(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		var seen refusals
		s.engine.connect = seen.strict
		for i := range 20 {
			s.source.want(as(fmt.Sprintf("wrong%02d", i)))
		}
		s.pass(time.Minute)
		waiting := as("wrong19").Tunnel.Ref
		if now := s.expect(waiting, tunnel.Waiting, tunnel.LoginPostponed); !strings.Contains(now.Message, "waits its turn") {
			t.Errorf("message %q", now.Message)
		}
		mended := as("wrong19")
		mended.Generation, mended.Tunnel.Server.User = 2, "right"
		s.source.want(mended)
		s.pass(0)
		s.expect(waiting, tunnel.Up, "")
		seen.spread(t, 0)
	})
}

func TestLoginsAlikePassOnceOneHasWorked(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.engine.connect = func(context.Context, Attempt) error { time.Sleep(100 * time.Millisecond); return nil }
		for i := range 100 {
			w := as("pbx")
			w.Tunnel.Ref.Name = tunnel.Name(fmt.Sprintf("t%d", i))
			s.source.want(w)
		}
		s.pass(100*time.Millisecond + 13*100*time.Millisecond)
		if n := len(s.engine.live()); n != 100 {
			t.Errorf("%d links stand", n)
		}
		for ref := range s.source.reports {
			for _, state := range s.source.states(ref) {
				if state == tunnel.Blocked {
					t.Errorf("%s was blocked", ref)
				}
			}
		}
	})
}

// A login that has worked and is refused now costs the others nothing, and itself waits from then on.
func TestARevokedLoginWaitsLikeAnyOther(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		var seen refusals
		for i := range 20 {
			s.source.want(as(fmt.Sprintf("wrong%02d", i)))
		}
		good := as("good")
		s.source.want(good)
		s.pass(time.Minute)
		if n := len(s.engine.live()); n != 21 {
			t.Fatalf("%d links stand", n)
		}
		s.engine.set(func() { s.engine.connect = seen.strict })
		for _, l := range s.engine.live() {
			l.breaks(fail(tunnel.LinkLost))
		}
		s.pass(0)
		s.expect(good.Tunnel.Ref, tunnel.Up, "")
		first := seen.count()
		s.pass(time.Hour)
		seen.spread(t, first)
	})
}

func TestBudgetsOfServersAreApart(t *testing.T) {
	a, b := tunnel.Server{Host: "A.example.", Port: 22}, tunnel.Server{Host: "a.example", Port: 22, User: "x"}
	via := tunnel.Via{Scheme: tunnel.ViaHTTP, Host: "p", Port: 1}
	elsewhere := tunnel.Server{Host: "a.example", Port: 2222}
	if scopeOf(a, tunnel.Via{}) != scopeOf(b, tunnel.Via{}) {
		t.Error("one server has two budgets")
	}
	if scopeOf(b, via) == scopeOf(b, tunnel.Via{}) || scopeOf(elsewhere, tunnel.Via{}) == scopeOf(b, tunnel.Via{}) {
		t.Error("two have one")
	}
	first := tunnel.Credential{Login: tunnel.LoginPassword, Password: "1"}
	if loginOf(a, first) == loginOf(b, first) || loginOf(a, first) == loginOf(a, tunnel.Credential{Login: tunnel.LoginPassword, Password: "2"}) {
		t.Error("logins are mixed up")
	}
}

func TestABudgetThatNobodyUsesIsForgotten(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		var seen refusals
		s.engine.connect = seen.strict
		for i := range 5 {
			s.source.want(as(fmt.Sprintf("wrong%02d", i)))
		}
		s.pass(time.Minute)
		for i := range 5 {
			s.source.want(tunnel.Wanted{Tunnel: tunnel.Tunnel{Ref: as(fmt.Sprintf("wrong%02d", i)).Tunnel.Ref}, Gone: true})
		}
		s.pass(time.Hour)
		for _, l := range s.sup.budget.ledgers {
			if l.users != 0 || len(l.queue) != 0 || l.flying != 0 || l.again != nil {
				t.Errorf("left: %+v", l)
			}
		}
	})
}

// Whoever waits for a turn while the old link rests goes on with that when it answers.
func TestASilentLinkIsTakenUpWhileItsLoginWaits(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		var seen refusals
		s.source.want(active(office, 1, ldap, http))
		s.pass(time.Minute)
		old := s.engine.link(0)
		s.sup.budget.mu.Lock()
		for _, l := range s.sup.budget.ledgers {
			clear(l.worked)
			l.left = -1
		}
		s.sup.budget.mu.Unlock()
		s.engine.set(func() { s.engine.connect = seen.strict })
		old.falls(PeerSilent)
		s.pass(time.Minute)
		s.expect(office, tunnel.Waiting, tunnel.LoginPostponed)
		old.falls(PeerAnswers)
		s.pass(0)
		s.carries(old)
		if n := s.engine.count(); n != 1 {
			t.Errorf("%d attempts", n)
		}
	})
}

// Fifty tries of passwords cost no more refusals than tunnels do, and what was not tried says so.
func TestChecksKeepToTheBudget(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		var seen refusals
		s.engine.connect = func(ctx context.Context, a Attempt) error {
			seen.note()
			return through(StageLogin, fail(tunnel.LoginRefused))(ctx, a)
		}
		before := 0
		for i := range 50 {
			steps, _ := s.try(Trial{Credential: tunnel.Credential{Login: tunnel.LoginPassword, Password: tunnel.Secret(fmt.Sprint(i))}})
			tried, want := seen.count(), tunnel.LoginPostponed
			if tried > before {
				want = tunnel.LoginRefused
			}
			if got := strings.Join(steps, ", "); !strings.Contains(got, "login "+string(want)+", forwarding skipped") {
				t.Fatalf("steps %s", got)
			}
			before = tried
			s.pass(12 * time.Second)
		}
		seen.spread(t, 0)
		if n := seen.count(); n < 5 || n > 6 {
			t.Errorf("%d refusals", n)
		}
		s.engine.connect = through("", nil)
		s.pass(10 * time.Minute)
		if steps, _ := s.try(Trial{}); steps[len(steps)-1] != "forwarding ok" {
			t.Errorf("steps %v", steps)
		}
		for _, l := range s.sup.budget.ledgers {
			if l.users != 0 || l.flying != 0 || len(l.queue) != 0 {
				t.Errorf("left: %+v", l)
			}
		}
	})
}

// Of a server that nobody goes to any more nothing is kept for ever, whether or not a login worked there; while a link
// stands its login is remembered.
func TestServersThatAreLeftAreForgotten(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.source.want(active(office, 1))
		s.pass(0)
		s.expect(office, tunnel.Up, "")
		check := func(host int, end func(context.Context, Attempt) error) {
			s.engine.set(func() { s.engine.connect = end })
			s.try(Trial{Server: tunnel.Server{Host: fmt.Sprintf("h%d.example", host), Port: 22}})
		}
		for i := range 20 {
			check(i, through("", nil))
			check(20+i, through(StageLogin, fail(tunnel.LoginRefused)))
		}
		if left := len(s.sup.budget.ledgers); left != 41 {
			t.Errorf("%d servers are remembered at once", left)
		}
		s.pass(2 * time.Hour)
		check(40, through("", nil))
		if left := len(s.sup.budget.ledgers); left != 2 {
			t.Errorf("%d servers are remembered after two hours", left)
		}
		b, l := s.sup.budget, loginOf(tunnel.Server{User: "pbx"}, tunnel.Credential{Login: tunnel.LoginPassword, Password: "for site.example"})
		turn := b.apply(scopeOf(active(office, 1).Tunnel.Server, tunnel.Via{}), office, l, untried)
		if !turn.free {
			t.Error("the login of a link that stands is forgotten")
		}
		turn.end(Failure{})
	})
}

// A login that worked passes freely, but when it is refused after all the server has seen a refusal like any other.
func TestRefusalsOfLoginsThatWorkedCountToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget()
		who := func(i int) login { return login{byte(i)} }
		for i := range 4 {
			first := b.apply("site", tunnel.Ref{}, who(i), promising)
			<-first.ready
			first.worked()
			first.end(Failure{})
		}
		for i := range 4 {
			again := b.apply("site", tunnel.Ref{}, who(i), promising)
			<-again.ready
			again.end(Failure{Reason: tunnel.LoginRefused})
		}
		began := time.Now()
		next := b.apply("site", tunnel.Ref{}, who(9), promising)
		<-next.ready
		if waited := time.Since(began); waited < 2*refusedEvery {
			t.Errorf("after four refusals the next login waited %s", waited)
		}
		next.end(Failure{})
	})
}
