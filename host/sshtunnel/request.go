package sshtunnel

import (
	"context"
	"sync"
	"time"
)

// maxQueued bounds the global requests of one link that wait for their turn.
const maxQueued = 256

// request is one global request to the server, on its way or waiting for its turn.
type request struct {
	name    string
	payload []byte
	reply   chan answer
}

// answer is what the server said to a request.
type answer struct {
	yes bool
	err error // why there is none
}

// ask has a global request sent, after those asked before, and returns where its answer will come. It never waits: the
// server may not answer for long, and SSH has one request at a time under way. A request unanswered for the length of
// patience ends the link, which frees all that wait.
func (l *Link) ask(name string, payload []byte) <-chan answer {
	r := &request{name: name, payload: payload, reply: make(chan answer, 1)}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closing:
		r.reply <- answer{err: l.gone()}
	case len(l.asked) >= maxQueued:
		r.reply <- answer{err: busy("too many requests wait for an answer of the SSH server")}
	default:
		l.asked = append(l.asked, r)
		if !l.sending {
			l.sending = true
			l.work.Go(l.sendRequests)
		}
	}
	return r.reply
}

// sendRequests sends one request after the other, while the peer answers, until none waits. Once the link is closed they
// are only told so.
func (l *Link) sendRequests() {
	for r := l.nextRequest(); r != nil; r = l.nextRequest() {
		l.sock.pulse.wait(l.closed)
		if isClosed(l.closed) {
			r.reply <- answer{err: l.gone()}
			continue
		}
		r.reply <- l.send(r)
	}
}

// nextRequest takes the first request that waits for its turn; nil where none does: then nobody sends any more.
func (l *Link) nextRequest() *request {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.asked) == 0 {
		l.asked, l.sending = nil, false
		return nil
	}
	r := l.asked[0]
	l.asked = l.asked[1:]
	return r
}

// send waits for the answer without a limit of its own, as x/crypto/ssh does: the watchdog is what ends it.
func (l *Link) send(r *request) answer {
	defer l.watchdog()()
	yes, _, err := l.conn.SendRequest(r.name, true, r.payload)
	if err != nil {
		return answer{err: linkLost(l.config.mask.error(err))}
	}
	return answer{yes: yes}
}

// watchdog ends the link when a request has been left unanswered for the length of patience, unless stop is called before.
// The time in which the server's machine is not heard is not the server's: a link that is cut off is ended by who has a
// better one, see Retire, and a socket closed on that server would leave it in the dark.
func (l *Link) watchdog() (stop func()) {
	done, patience, asked := make(chan struct{}), l.config.waits.patience, time.Now()
	l.spawn(func() {
		for left := patience; left > 0; left = patience - l.sock.pulse.answering(asked) {
			select {
			case <-time.After(left):
			case <-done:
				return
			case <-l.ctx.Done():
				return
			}
		}
		l.lose(busy("the SSH server has left a request unanswered for ten minutes"))
	})
	return func() { close(done) }
}

// keepalive shares one request among all who ask: never are two under way.
type keepalive struct {
	mu      sync.Mutex
	pending *sign // nil when none is
}

// sign is the server's sign of life: any answer is one, "no" included.
type sign struct {
	done chan struct{} // closed when it has come, or cannot come any more
	err  error         // why it cannot
}

// Keepalive asks the server for a sign of life. ServerBusy means that it has not answered by the end of ctx, at most
// after Patience: the link stands as long as the server's answer comes within a minute. A later call waits for the same
// answer.
func (l *Link) Keepalive(ctx context.Context) error {
	ctx, cancel := l.withPatience(ctx)
	defer cancel()
	pending := l.alive.ask(l)
	select {
	case <-pending.done:
		if pending.err == nil {
			l.shed()
		}
		return pending.err
	case <-l.ctx.Done():
		return l.gone()
	case <-ctx.Done():
		return l.noAnswer("for a sign of life")
	}
}

// ask returns the request under way, sending one if there is none.
func (k *keepalive) ask(l *Link) *sign {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.pending != nil {
		return k.pending
	}
	s := &sign{done: make(chan struct{})}
	reply := l.ask("keepalive@openssh.com", nil)
	started := l.spawn(func() {
		s.err = (<-reply).err
		k.mu.Lock()
		k.pending = nil
		k.mu.Unlock()
		close(s.done)
	})
	if !started {
		s.err = l.gone()
		close(s.done)
		return s
	}
	k.pending = s
	return s
}
