package sshtunnel

import (
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// What the kernel may keep of a link that it has not sent yet, beside what is under way: every small packet of any connection
// waits behind that. It is bounded in time, by the rate at which the peer takes the link's bytes. Beside an upload over a path
// of 1 MB/s a sign of life took 2.0 s without a bound, 0.8 s with 512 KiB, 0.3 s with 128 KiB and 0.2 s with less. With 128 KiB
// on a path of 1 GB/s whoever sends is woken so often that a fifth of the rate is lost.
const (
	minUnsent   = 128 << 10
	maxUnsent   = 1 << 20
	unsentTime  = 10 * time.Millisecond
	unsentEvery = 4 << 20 // bytes after which the rate is asked for again
)

// How much of a packet x/crypto/ssh writes at first, when it has more: as much as its own buffer takes, and once shed has made
// that a small one, which signs of life and proofs fit in.
const (
	libraryBuffer = 4096
	firstPart     = 512
)

// sending is how what SSH writes goes out. Its writer alone uses it, but for first.
type sending struct {
	first  atomic.Int64 // a write of so many bytes is followed by the rest of its packet, 0 where that is not known
	unsent int          // the bound that is set
	since  int          // bytes written since
}

// joinsPackets notes with which algorithms conn writes. A packet of AES-GCM comes in two writes, of which the peer would be
// woken for each. It is never just as long as the first: 4 bytes of length are followed by a multiple of 16 (RFC 5647 §7.2).
// Should a peer agree on others later, such a packet waits for 200 ms.
func (s *sending) joinsPackets(conn ssh.ConnMetadata) {
	m, ok := conn.(ssh.AlgorithmsConnMetadata)
	if !ok {
		return
	}
	switch m.Algorithms().Write.Cipher {
	case ssh.CipherAES128GCM, ssh.CipherAES256GCM:
		s.first.Store(libraryBuffer)
	}
}

// Write waits until the peer answers. It fails when the socket was closed or retired meanwhile.
func (s *socket) Write(p []byte) (n int, err error) {
	if err := s.pulse.allow(); err != nil {
		return 0, err
	}
	if int64(len(p)) == s.sending.first.Load() {
		n, err = s.brisk.send(p, unix.MSG_MORE) // the kernel keeps it for the next write
	} else {
		n, err = s.brisk.Write(p)
	}
	if err != nil {
		s.ended.Store(true) // before SSH knows, as in Read
	}
	s.boundUnsent(n)
	return n, err
}

// boundUnsent notes that n bytes were written, and sets the bound anew when it is time.
func (s *socket) boundUnsent(n int) {
	b := &s.sending
	if b.since += n; b.since < unsentEvery {
		return
	}
	b.since = 0
	info := s.info()
	if info == nil {
		return // closed
	}
	if to := unsentAt(info.Delivery_rate); to >= 2*b.unsent || to <= b.unsent/2 {
		b.unsent = to
		_ = s.setTCP(unix.TCP_NOTSENT_LOWAT, to)
	}
}

// unsentAt is the bound for a peer that takes so many bytes a second.
func unsentAt(rate uint64) int {
	const parts = uint64(time.Second / unsentTime)
	return int(min(max(rate/parts, minUnsent), maxUnsent))
}
