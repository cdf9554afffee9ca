package sshtunnel

import (
	"errors"
	"io"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// answered bounds how long a nonce's channel is kept for its sender to close it.
const answered = 5 * time.Second

// sniffed is a channel whose first bytes are looked at before anybody gets them. A nonce of ours never gets through:
// it is answered, and the reader finds an empty connection.
type sniffed struct {
	*channel
	foreign func()        // called when it is not a nonce, once or twice
	stray   *stray        // nil where it is none
	decided chan struct{} // closed when the first bytes are known
	first   []byte        // what was read and is not a nonce
	err     error         // what ended the reading
	own     bool          // it was a nonce
	replied chan struct{} // then closed once it was answered

	writing sync.Mutex // x/crypto/ssh has Write and CloseWrite not side by side, and the service may speak to a nonce
	taken   bool       // what is written from now on is the answer to a nonce
}

// errOwn ends the relay of a connection that turned out to be a nonce.
var errOwn = errors.New("a nonce of ours")

// sniff begins to look at ch; foreign is called once it is known not to be a proof's.
func (m *mapping) sniff(ch *channel, foreign func(), stray *stray) *sniffed {
	s := &sniffed{channel: ch, foreign: foreign, stray: stray, decided: make(chan struct{}), replied: make(chan struct{})}
	if !m.link.spawn(func() { s.look(m.remote) }) {
		s.err = io.EOF
		close(s.decided)
	}
	return s
}

// wordless is after which time a connection that has said nothing counts as somebody's: a nonce is sent at once.
const wordless = 5 * time.Second

// look reads until the bytes are a whole nonce or cannot become one.
func (s *sniffed) look(f *forward) {
	listens := time.AfterFunc(wordless, func() {
		s.foreign()
		s.stray.isKnown()
	})
	defer listens.Stop()
	buf, k := make([]byte, nonceLen+1), 0 // more than a nonce is none
	for {
		n, err := s.channel.Read(buf[k:])
		k += n
		whole, maybe := f.prover.judge(buf[:k])
		switch {
		case whole:
			s.own = true
			close(s.decided)
			f.prover.meet(buf[:k])
			s.stray.isKnown()
			s.reply(buf[:k])
			close(s.replied)
			return
		case err != nil, k > 0 && !maybe:
			s.first, s.err = buf[:k], err
			s.foreign()
			s.stray.isKnown()
			close(s.decided)
			return
		}
	}
}

// reply sends the answer to a nonce and waits a moment for its sender to close.
func (s *sniffed) reply(nonce []byte) {
	s.writing.Lock()
	s.taken = true
	if _, err := s.Channel.Write(answerTo(nonce)); err == nil {
		_ = s.Channel.CloseWrite()
	}
	s.writing.Unlock()
	hangUp := time.AfterFunc(answered, func() { _ = s.Channel.Close() })
	defer hangUp.Stop()
	_, _ = io.Copy(io.Discard, s.Channel)
	_ = s.Channel.Close()
}

// Read returns the first bytes once they are known not to be ours, then the rest.
func (s *sniffed) Read(p []byte) (int, error) {
	<-s.decided
	switch {
	case s.own:
		<-s.replied
		return 0, errOwn
	case len(s.first) > 0:
		n := copy(p, s.first)
		s.first = s.first[n:]
		return n, nil
	case s.err != nil:
		return 0, s.err
	}
	return s.channel.Read(p)
}

// Write is the channel's, until that has turned out to be a nonce's.
func (s *sniffed) Write(p []byte) (int, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.taken {
		return 0, errOwn
	}
	return s.channel.Write(p)
}

// CloseWrite is the channel's, until that has turned out to be a nonce's.
func (s *sniffed) CloseWrite() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.taken {
		return errOwn
	}
	return s.channel.CloseWrite()
}

// hold takes the connection, which says nothing to anybody yet, and waits until it is known whether it is the proof's:
// by its first bytes, by the nonces having come elsewhere, or by the end of the time. Only then the service is asked,
// and only what it takes counts. release is called once the channel has gone.
func (m *mapping) hold(nc ssh.NewChannel, v *visit, atMost time.Duration, stray *stray, release func()) {
	accepted, requests, err := nc.Accept()
	if err != nil {
		release()
		return
	}
	ch := m.link.newChannel(accepted, requests, release)
	s := m.sniff(ch, v.begin, stray)
	defer v.end()
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-s.decided:
	case <-m.remote.prover.under():
	case <-timer.C:
	case <-m.ctx.Done():
		_ = ch.Close()
		return
	}
	if isClosed(s.decided) && s.own {
		return // look answers it
	}
	local, err := m.service(m.ctx)
	if err != nil {
		m.turnAway(s)
		m.missed(m.refusedService(err))
		return
	}
	m.relay(local, s, v)
}

// turnAway ends a connection that the service does not take, unless it is a proof's, which may show only now.
func (m *mapping) turnAway(s *sniffed) {
	select {
	case <-s.decided:
	case <-time.After(holdFor):
	case <-m.ctx.Done():
	}
	if !isClosed(s.decided) || !s.own {
		_ = s.channel.Close()
	}
}
