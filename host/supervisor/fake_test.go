package supervisor

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// fakeEngine is an SSH engine in memory: links that stand, break, fall silent and lie when a test says so. It behaves
// as Engine and Link promise, in no time of its own: what takes time says so.
type fakeEngine struct {
	mu       sync.Mutex
	connect  func(ctx context.Context, a Attempt) error // nil lets every attempt through
	shape    func(l *fakeLink)                          // prepares each link
	attempts []time.Time
	plans    []Attempt
	links    []*fakeLink
	closing  time.Duration // how long a link takes to close
}

// fakeError is a failure as an engine returns it.
type fakeError struct{ f Failure }

func (e *fakeError) Error() string { return string(e.f.Reason) + ": " + e.f.Message }

func fail(r tunnel.Reason) error {
	return &fakeError{Failure{Reason: r, Message: "because of " + string(r)}}
}

func (e *fakeEngine) Explain(err error) Failure {
	var f *fakeError
	if errors.As(err, &f) {
		return f.f
	}
	return Failure{}
}

func (e *fakeEngine) Run(ctx context.Context, a *Attempt, stands func(context.Context, Link) func()) error {
	if err := e.handshake(ctx, a); err != nil {
		return err
	}
	l := newFakeLink(e, a.Ref)
	l.since = time.Now()
	l.ctx, l.cancel = context.WithCancelCause(ctx)
	defer l.cancel(nil)
	defer close(l.over)
	e.mu.Lock()
	if e.shape != nil {
		e.shape(l)
	}
	e.links = append(e.links, l)
	e.mu.Unlock()
	if a.Pin == (tunnel.Pin{}) {
		if err := a.Learned(l.ctx, tunnel.Pin{State: tunnel.PinLearned, KeyType: "ssh-ed25519", Fingerprint: "SHA256:k"}); err != nil {
			return err
		}
	}
	leave := stands(l.ctx, l)
	<-l.ctx.Done()
	leave()
	if l.retired() {
		select {
		case <-l.heard:
			return context.Cause(l.ctx)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	time.Sleep(e.closing)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return context.Cause(l.ctx)
}

func (e *fakeEngine) handshake(ctx context.Context, a *Attempt) error {
	release, err := a.Admit(ctx)
	if err != nil {
		return err
	}
	defer release()
	e.mu.Lock()
	e.attempts, e.plans = append(e.attempts, time.Now()), append(e.plans, *a)
	connect := e.connect
	e.mu.Unlock()
	if connect != nil {
		return connect(ctx, *a)
	}
	a.Stage(Step{Stage: StageLogin})
	return ctx.Err()
}

// set changes the script while links run.
func (e *fakeEngine) set(change func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change()
}

func (e *fakeEngine) link(i int) *fakeLink {
	e.mu.Lock()
	defer e.mu.Unlock()
	if i < 0 {
		i += len(e.links)
	}
	return e.links[i]
}

func (e *fakeEngine) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.attempts)
}

// live are the links that stand.
func (e *fakeEngine) live() []*fakeLink {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(e.links), func(l *fakeLink) bool { return l.ctx.Err() != nil })
}

// gaps are the times between attempts.
func (e *fakeEngine) gaps() []time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	var d []time.Duration
	for i := 1; i < len(e.attempts); i++ {
		d = append(d, e.attempts[i].Sub(e.attempts[i-1]))
	}
	return d
}

// fakeLink is a link whose answers a test may replace. A nil script answers well and at once.
type fakeLink struct {
	engine *fakeEngine
	ref    tunnel.Ref
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu        sync.Mutex
	mappings  map[string]*fakeMapping
	calls     []call
	apply     func(ctx context.Context, m tunnel.Mapping) error
	proof     func(ctx context.Context, name string) error
	target    func(ctx context.Context, name string) error
	says      func(ctx context.Context) (string, error) // the services behind, to who asks thoroughly
	open      func(ctx context.Context, m tunnel.Mapping) (Conn, error)
	keepalive func(ctx context.Context) error
	withdraw  func(ctx context.Context) error
	bound     tunnel.Bound

	path   time.Duration // that an answer may take
	peer   Peer
	turned func() // told when peer changes
	local  netip.Addr
	wake   func(ctx context.Context) error // nil: as keepalive, and no answer while peer is silent
	gaveUp bool                            // it was retired
	heard  chan struct{}                   // closed by a test: the server knows
	since  time.Time
	over   chan struct{} // closed when Run returns
}

type fakeMapping struct {
	tunnel.Mapping
	open    int
	in, out uint64
	target  time.Time
}

// call is one question to a link.
type call struct {
	what, name string
	at         time.Time
}

func newFakeLink(e *fakeEngine, ref tunnel.Ref) *fakeLink {
	return &fakeLink{engine: e, ref: ref, mappings: map[string]*fakeMapping{}, heard: make(chan struct{}), over: make(chan struct{})}
}

// falls changes how the server's machine answers.
func (l *fakeLink) falls(to Peer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.peer = to
	if l.turned != nil {
		l.turned()
	}
}

// freezes has its server answer nothing any more, while its machine does.
func (l *fakeLink) freezes() {
	l.script(func() {
		l.keepalive, l.proof = silence, func(ctx context.Context, _ string) error { return silence(ctx) }
	})
}

// thaws has it answer again.
func (l *fakeLink) thaws() { l.script(func() { l.keepalive, l.proof = nil, nil }) }

// resting reports whether the link has given cause to try another beside it.
func (l *fakeLink) resting() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.peer == PeerSilent || l.keepalive != nil
}

func (l *fakeLink) retired() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.gaveUp
}

func (l *fakeLink) breaks(err error) { l.cancel(err) }

// asked notes a call and returns the script for it as it is now.
func asked[F any](l *fakeLink, what, name string, script *F) F {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, call{what, name, time.Now()})
	return *script
}

// script replaces answers.
func (l *fakeLink) script(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}

// times are when what was asked of the mapping of that name.
func (l *fakeLink) times(what, name string) []time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	var at []time.Time
	for _, c := range l.calls {
		if c.what == what && c.name == name {
			at = append(at, c.at)
		}
	}
	return at
}

func (l *fakeLink) dead() error {
	if l.ctx.Err() != nil {
		return fail(tunnel.LinkLost)
	}
	return nil
}

func (l *fakeLink) Apply(ctx context.Context, m tunnel.Mapping) error {
	if f := asked(l, "apply", m.Name, &l.apply); f != nil {
		if err := f(ctx, m); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mappings[m.Name] != nil {
		return errors.New("applied twice: " + m.Name)
	}
	l.mappings[m.Name] = &fakeMapping{Mapping: m}
	return l.dead()
}

func (l *fakeLink) Withdraw(ctx context.Context, name string) error {
	if f := asked(l, "withdraw", name, &l.withdraw); f != nil {
		if err := f(ctx); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.mappings, name)
	return l.dead()
}

func (l *fakeLink) Prove(ctx context.Context, name string) error {
	if f := asked(l, "prove", name, &l.proof); f != nil {
		return f(ctx, name)
	}
	return l.dead()
}

func (l *fakeLink) Target(ctx context.Context, name string, opened func()) (heard string, err error) {
	if f := asked(l, "target", name, &l.target); f != nil {
		err = f(ctx, name)
	} else {
		err = l.dead()
	}
	if err != nil || opened == nil {
		return "", err
	}
	opened()
	if f := asked(l, "thoroughly", name, &l.says); f != nil {
		return f(ctx)
	}
	return "220 " + name + " ready", nil
}

func (l *fakeLink) Open(ctx context.Context, m tunnel.Mapping, _ string) (Conn, error) {
	if f := asked(l, "open", m.Name, &l.open); f != nil {
		return f(ctx, m)
	}
	return nil, fail(tunnel.TargetRefused)
}

func (l *fakeLink) Keepalive(ctx context.Context) error {
	if f := asked(l, "keepalive", "", &l.keepalive); f != nil {
		return f(ctx)
	}
	return l.dead()
}

func (l *fakeLink) Traffic(name string) Traffic {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m := l.mappings[name]; m != nil {
		return Traffic{Open: m.open, In: m.in, Out: m.out, Target: m.target}
	}
	return Traffic{}
}

func (l *fakeLink) Local() netip.Addr { return l.local }

func (l *fakeLink) Bound(string) tunnel.Bound {
	l.mu.Lock()
	defer l.mu.Unlock()
	return cmp.Or(l.bound, tunnel.BoundUnknown)
}

func (l *fakeLink) Peer() Peer {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.peer
}

func (l *fakeLink) Watch(turned func()) {
	l.script(func() { l.turned = turned })
}

func (l *fakeLink) Wake(ctx context.Context) error {
	if f := asked(l, "wake", "", &l.wake); f != nil {
		return f(ctx)
	}
	if l.Peer() == PeerSilent {
		return silence(ctx)
	}
	return l.Keepalive(ctx)
}

func (l *fakeLink) End(err error) { l.cancel(err) }

func (l *fakeLink) Retire() {
	l.mu.Lock()
	l.gaveUp = true
	clear(l.mappings)
	l.mu.Unlock()
	l.cancel(fail(tunnel.LinkLost))
}

func (l *fakeLink) Patience() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.path
}

func (l *fakeLink) ServerVersion() string { return "SSH-2.0-Fake" }

// silence is a question that is never answered.
func silence(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// fakeSource is a registry with nothing durable: a test says what is wanted and reads what was reported.
type fakeSource struct {
	mu         sync.Mutex
	news       chan struct{}
	queue      []tunnel.Wanted
	records    map[tunnel.Ref]tunnel.Wanted
	credential error
	password   tunnel.Secret
	shown      []tunnel.Pin
	learned    []tunnel.Pin
	reports    map[tunnel.Ref][]report
}

type report struct {
	tunnel.Status
	at time.Time
}

func newFakeSource() *fakeSource {
	return &fakeSource{news: make(chan struct{}, 1), records: map[tunnel.Ref]tunnel.Wanted{}, reports: map[tunnel.Ref][]report{}}
}

func (s *fakeSource) Wanted(ctx context.Context) iter.Seq2[tunnel.Wanted, error] {
	return func(yield func(tunnel.Wanted, error) bool) {
		for {
			s.mu.Lock()
			batch := s.queue
			s.queue = nil
			s.mu.Unlock()
			for _, w := range batch {
				if !yield(w, nil) {
					return
				}
			}
			select {
			case <-s.news:
			case <-ctx.Done():
				yield(tunnel.Wanted{}, ctx.Err())
				return
			}
		}
	}
}

// want says what shall be from now on.
func (s *fakeSource) want(ws ...tunnel.Wanted) {
	for _, w := range ws {
		s.record(w)
	}
	s.mu.Lock()
	s.queue = append(s.queue, ws...)
	s.mu.Unlock()
	poke(s.news)
}

func (s *fakeSource) Login(_ context.Context, ref tunnel.Ref) (tunnel.Wanted, tunnel.Credential, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, there := s.records[ref]
	w.Gone = !there || w.Gone
	return w, tunnel.Credential{Login: tunnel.LoginPassword, Password: tunnel.Secret("for "+w.Tunnel.Server.Host) + s.password}, s.credential
}

// Learned pins as the registry does: in the record, whose generation stays.
func (s *fakeSource) Learned(_ context.Context, ref tunnel.Ref, _ tunnel.Server, shown tunnel.Pin) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.records[ref]
	if w.Tunnel.Pin != (tunnel.Pin{}) && w.Tunnel.Pin != shown {
		return &tunnel.StatusError{Ref: ref, State: tunnel.Blocked, Reason: tunnel.HostKeyMismatch, Message: "another key is expected"}
	}
	s.learned = append(s.learned, shown)
	w.Tunnel.Pin = shown
	s.records[ref] = w
	return nil
}

// record makes w what shall be, though nobody has heard of it yet.
func (s *fakeSource) record(w tunnel.Wanted) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[w.Tunnel.Ref] = w
}

func (s *fakeSource) Shown(_ tunnel.Ref, pin tunnel.Pin) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown = append(s.shown, pin)
}

func (s *fakeSource) Report(ref tunnel.Ref, now tunnel.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reports[ref] = append(s.reports[ref], report{now, time.Now()})
}

// history is all that was reported of ref.
func (s *fakeSource) history(ref tunnel.Ref) []report {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.reports[ref])
}

// now is what was last reported of ref.
func (s *fakeSource) now(ref tunnel.Ref) tunnel.Status {
	h := s.history(ref)
	if len(h) == 0 {
		return tunnel.Status{}
	}
	return h[len(h)-1].Status
}

// states are the states ref went through, each once in a row.
func (s *fakeSource) states(ref tunnel.Ref) []tunnel.State {
	var states []tunnel.State
	for _, r := range s.history(ref) {
		if len(states) == 0 || states[len(states)-1] != r.State {
			states = append(states, r.State)
		}
	}
	return states
}

// stage is a Supervisor that runs on a fake engine and source in virtual time.
type stage struct {
	t      *testing.T
	source *fakeSource
	engine *fakeEngine
	sup    *Supervisor
	end    func() error // ends Run and returns its error
}

// play runs a story in virtual time and ends the supervisor after it.
func play(t *testing.T, story func(t *testing.T, s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stage{t: t, source: newFakeSource(), engine: &fakeEngine{}}
		s.sup = New(Config{
			Source: s.source, Engine: s.engine, Log: quiet,
			DialLocal: func(context.Context, tunnel.Ref, tunnel.Mapping) (net.Conn, error) {
				return nil, errors.New("nothing there")
			},
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.sup.Run(ctx) }()
		s.end = sync.OnceValue(func() error { cancel(); return <-done })
		story(t, s)
		if err := s.end(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// pass lets d pass and everything settle.
func (s *stage) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// expect fails the test unless ref is in that state for that reason.
func (s *stage) expect(ref tunnel.Ref, state tunnel.State, reason tunnel.Reason) tunnel.Status {
	s.t.Helper()
	now := s.source.now(ref)
	if now.State != state || now.Reason != reason {
		s.t.Fatalf("%s is %s (%s: %s), want %s (%s)", ref, now.State, now.Reason, now.Message, state, reason)
	}
	return now
}

var quiet = hclog.NewNullLogger()

// brokenSource ends with an error.
type brokenSource struct {
	*fakeSource
	err error
}

func (s brokenSource) Wanted(context.Context) iter.Seq2[tunnel.Wanted, error] {
	return func(yield func(tunnel.Wanted, error) bool) { yield(tunnel.Wanted{}, s.err) }
}

var office = tunnel.Ref{Owner: tunnel.Operator, Name: "office"}

var (
	ldap = tunnel.Mapping{Name: "ldap", Kind: tunnel.Reach, Local: tunnel.Endpoint{Port: 1389}, Remote: tunnel.Endpoint{Port: 389}}
	http = tunnel.Mapping{Name: "http", Kind: tunnel.Expose, Local: tunnel.Endpoint{Port: 8080}, Remote: tunnel.Endpoint{Port: 18080}}
)

// active is a tunnel that shall run, as of a generation.
func active(ref tunnel.Ref, generation uint64, ms ...tunnel.Mapping) tunnel.Wanted {
	return tunnel.Wanted{
		Tunnel: tunnel.Tunnel{
			Ref: ref, Node: tunnel.Node, Server: tunnel.Server{Host: "site.example", Port: 22, User: "pbx"}, Mappings: ms,
		},
		Active: true, Generation: generation,
	}
}
