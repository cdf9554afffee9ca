package sshtunnel

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// When a peer counts as what, by how long nothing was heard from its machine. On a link that is otherwise silent the
// kernel asks 4 s after the last sign, so one that answers is never unheard for longer than that and a round trip.
const (
	minSlack    = time.Second     // for the answer to a probe before the peer is doubted, at least
	maxSlack    = 3 * time.Second // and at most, on a path that is slow
	timerSlack  = 300 * time.Millisecond
	silentAfter = 10 * time.Second       // unheard for so long, and asked often enough, a doubted peer is silent
	chances     = 3                      // unanswered questions that are enough
	deafAfter   = 15 * time.Second       // with data unacknowledged, however often the kernel has repeated it
	repeats     = 5                      // of data that was never acknowledged are enough, whatever is heard meanwhile
	minRepeat   = 200 * time.Millisecond // before the kernel repeats data, beside a round trip

	lookEvery = 250 * time.Millisecond // while a peer is in doubt or silent
	lookBeat  = 100 * time.Millisecond // all links are looked at together, at most so much later: the process wakes up once for them
)

// pulse follows how the machine of a peer answers beneath SSH, by what the kernel knows of the socket, and keeps
// everything off the wire while it does not: data that waits for an acknowledgement has the kernel repeat it ever more
// rarely, in place of probes, and so the link would learn late that its path is back.
//
// It has no goroutine: a timer looks when a probe could be unanswered, every four seconds on an idle link.
type pulse struct {
	sock *socket
	shut atomic.Bool // nothing may be sent

	mu      sync.Mutex
	begun   bool
	peer    Peer
	changed time.Time     // when peer last did; zero before
	turned  func()        // called then; nil where nobody watches
	woken   int           // callers of Wake: everything may be sent
	opened  chan struct{} // closed while something may be sent
	timer   *time.Timer
	over    chan struct{} // closed when nothing will be sent any more
}

func newPulse(s *socket) *pulse {
	return &pulse{sock: s, opened: closedBefore, over: make(chan struct{})}
}

// begin starts to follow the peer. Before that, and so during the handshake, which has its own deadline, all may be sent.
func (p *pulse) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if isClosed(p.over) {
		return
	}
	p.begun = true
	p.timer = time.AfterFunc(probes.Idle, func() { p.look() })
}

// end stops it for good and frees whoever waits to send.
func (p *pulse) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if isClosed(p.over) {
		return
	}
	close(p.over)
	if p.timer != nil {
		p.timer.Stop()
	}
}

// state is how the peer answers.
func (p *pulse) state() Peer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.peer
}

// answering is for how long the peer has answered without a break, counted from since on; 0 while it does not.
func (p *pulse) answering(since time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.peer != PeerAnswers {
		return 0
	}
	return min(time.Since(since), time.Since(p.changed))
}

// watch has turned called whenever the peer changes.
func (p *pulse) watch(turned func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turned = turned
}

func (p *pulse) answers() bool { return p.state() == PeerAnswers }

// look asks the kernel and comes again when there may be news. It returns what the kernel knows, nil where nothing is
// followed.
func (p *pulse) look() *unix.TCPInfo {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.begun || isClosed(p.over) {
		return nil
	}
	info := p.sock.info()
	if info == nil {
		return nil // closed
	}
	p.turnLocked(judge(p.peer, info))
	p.timer.Reset(nextLook(p.peer, info))
	return info
}

// heard notes that something has just been read from the peer.
func (p *pulse) heard() {
	if p.shut.Load() {
		p.look()
	}
}

// turnLocked notes how the peer answers now. While it is in doubt the kernel asks every second, so that neither a few
// lost packets make a peer silent nor a path that is back goes unnoticed.
func (p *pulse) turnLocked(to Peer) {
	was := p.peer
	if was == to {
		return
	}
	p.peer, p.changed = to, time.Now()
	if p.turned != nil {
		p.turned()
	}
	if was == PeerAnswers || to == PeerAnswers {
		p.sock.hurry(to != PeerAnswers)
	}
	p.gateLocked()
}

// gateLocked opens or shuts the way out.
func (p *pulse) gateLocked() {
	shut := p.peer != PeerAnswers && p.woken == 0
	if p.shut.Swap(shut) == shut {
		return
	}
	if shut {
		p.opened = make(chan struct{})
	} else {
		close(p.opened)
	}
}

// wake lets everything out until the result is called, whatever the peer does.
func (p *pulse) wake() (sleep func()) {
	p.add(1)
	return func() { p.add(-1) }
}

func (p *pulse) add(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.woken += n
	p.gateLocked()
}

// wait waits until something may be sent, and reports false when done is closed before or nothing will be sent any more.
func (p *pulse) wait(done <-chan struct{}) bool {
	for {
		p.mu.Lock()
		opened := p.opened
		p.mu.Unlock()
		select {
		case <-p.over:
			return false
		case <-done:
			return false
		case <-opened:
			if !p.shut.Load() {
				return !isClosed(p.over)
			}
		}
	}
}

// allow waits until a packet may be sent. When nothing was read for so long that a probe may be under way, the kernel is
// asked first, and the answer to the probe awaited: it takes a round trip.
func (p *pulse) allow() error {
	if !p.shut.Load() && p.sock.heardSince(time.Now().Add(-probes.Idle)) {
		return nil
	}
	p.settle()
	if !p.wait(nil) {
		return net.ErrClosed
	}
	return nil
}

// settle returns once no probe is unanswered, or once that makes the peer a doubted one.
func (p *pulse) settle() {
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		info := p.look()
		if info == nil || info.Probes == 0 || p.shut.Load() || !p.watching() {
			return
		}
		select {
		case <-p.over:
			return
		case <-time.After(pause):
		}
	}
}

// watching reports whether anything is to be settled: not before the pulse has begun, nor while the peer is woken.
func (p *pulse) watching() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.begun && p.woken == 0
}

// judge says how a peer answers by what the kernel knows, and by what was known before: once in doubt, only a sign of
// life helps it (the kernel's count of probes begins anew after 255).
//
// A sign is an acknowledgement, which is what probes are answered with, or data. Having heard none for long says nothing
// by itself: the machine may have slept, or the peer's program may not read, when the kernel asks ever more rarely. So it
// takes questions without an answer: probes, or data sent again. A path that is dead towards the peer alone brings what the
// peer repeats because it hears nothing from us: then it is our own data that tells.
//
// With a round trip of 600 ms and every twentieth packet lost in each direction a probe is lost for one in ten cycles,
// which is a doubt of a second; the six probes until a peer is silent are lost once in a million.
func judge(was Peer, i *unix.TCPInfo) Peer {
	unheard := unheardFor(i)
	asked := max(i.Probes, i.Retransmits)
	switch {
	case i.Retransmits >= repeats && stuckFor(i) >= silentAfter:
		return PeerSilent
	case unheard < doubtAfter(i):
		return PeerAnswers
	case was == PeerSilent,
		unheard >= silentAfter && asked >= chances,
		unheard >= deafAfter && i.Unacked > 0:
		return PeerSilent
	case was == PeerDoubted, asked > 0, i.Unacked > 0:
		return PeerDoubted
	}
	return PeerAnswers
}

// unheardFor is how long ago the peer's machine gave its last sign of life.
func unheardFor(i *unix.TCPInfo) time.Duration {
	return time.Duration(min(i.Last_ack_recv, i.Last_data_recv)) * time.Millisecond
}

// stuckFor is for how long at least the peer has acknowledged nothing of what was sent: each repetition came twice as late
// as the one before, up to what is the kernel's pause now.
func stuckFor(i *unix.TCPInfo) time.Duration {
	if i.Unacked == 0 {
		return 0
	}
	pause := firstPause(i)
	stuck := time.Duration(i.Last_data_sent) * time.Millisecond
	for range i.Retransmits {
		stuck += min(pause, time.Duration(i.Rto)*time.Microsecond)
		pause *= 2
	}
	return stuck
}

// doubtAfter is how long a peer that answers may be unheard: until the kernel asks, and an answer's time. That is a round
// trip with its variance, as TCP itself waits for an acknowledgement.
func doubtAfter(i *unix.TCPInfo) time.Duration {
	answer := time.Duration(i.Rtt+4*i.Rttvar)*time.Microsecond + timerSlack
	return probes.Idle + min(max(answer, minSlack), maxSlack)
}

// nextLook is when there may be news.
func nextLook(p Peer, i *unix.TCPInfo) time.Duration {
	pause := doubtAfter(i) - unheardFor(i) + time.Millisecond
	if p != PeerAnswers || i.Retransmits >= chances || pause <= lookEvery {
		return lookEvery
	}
	return onBeat(time.Now(), pause)
}

// onBeat is the pause from now on that ends with the next beat after the one given.
func onBeat(now time.Time, pause time.Duration) time.Duration {
	return pause + lookBeat - time.Duration(now.Add(pause).UnixNano()%int64(lookBeat))
}
