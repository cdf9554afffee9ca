package sshtunnel

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// Conn is a connection with a way to end one direction: what a relay needs on both sides.
type Conn interface {
	net.Conn
	CloseWrite() error
}

// end is one side of a relay.
type end interface {
	io.ReadWriteCloser
	CloseWrite() error
}

// unwaited is a side whose reads and writes may go on waiting after it was closed: an SSH channel.
type unwaited interface {
	spawn(func()) bool // runs what uses it, false when it is too late for that
	wasClosed() <-chan struct{}
	hasGone() <-chan struct{}
	halfDead() time.Duration // how long half a connection may stay silent
	wasCut() bool            // it ended with its link, not by the other side's word
}

// Relay carries bytes between a connection on the PBX and one to the site until both directions have ended, then closes
// both. The end of one direction is passed on alone (half-close): what the other side still has to say arrives. An
// error of either ends both.
//
// A site that Link.Open returned is relayed past its deadlines, and its bytes are counted for its mapping. Relay returns
// at once when such a site is closed or its mapping or link ends, whether or not the server answers, and resets local: what
// was cut off must not look whole. What still waits for the server then ends with the link at the latest.
//
// A connection of which one side has ended, without a byte for 10 minutes, is ended too: the other side may never end.
// It is ended within a second when the local side is gone entirely (reset, or closed both ways), whatever the site does.
func Relay(local, site Conn) {
	c, ok := site.(*channelConn)
	if !ok {
		relay(local, site, &traffic{})
		return
	}
	stop := context.AfterFunc(c.over, func() { reset(local) })
	defer stop()
	defer c.Close()
	relay(local, c.channel, c.traffic)
}

// relaying is one relay under way.
type relaying struct {
	local, site end
	unwaited    unwaited // the site
	traffic     *traffic
	whole       atomic.Bool   // all that the site had to say has been passed on, and its end
	inward      chan struct{} // closed when the direction to the PBX has ended
	outward     chan struct{} // closed when the one to the site has
	watch       *watch
}

func relay(local, site end, t *traffic) {
	u, ok := site.(unwaited)
	if !ok {
		u = plain{}
	}
	r := &relaying{
		local: briskly(local), site: site, unwaited: u, traffic: t,
		inward: make(chan struct{}), outward: make(chan struct{}), watch: newWatch(),
	}
	defer r.close()
	if u.spawn(r.carryIn) && u.spawn(r.carryOut) {
		r.wait(u)
	}
}

// plain is a side whose Close ends its reads and writes.
type plain struct{}

func (plain) spawn(f func()) bool        { go f(); return true }
func (plain) wasClosed() <-chan struct{} { return nil }
func (plain) hasGone() <-chan struct{}   { return nil }
func (plain) halfDead() time.Duration    { return halfDead }
func (plain) wasCut() bool               { return false }

// close ends both sides, the local one by a reset where the other was cut off, by us or with its link.
func (r *relaying) close() {
	if !r.whole.Load() && (isClosed(r.unwaited.wasClosed()) || r.unwaited.wasCut()) {
		reset(r.local)
	}
	_ = r.local.Close()
	_ = r.site.Close()
}

// wait returns when both directions have ended, or when no more can come of the rest: the site was closed, or it has
// gone and all it said has arrived, or the local side is gone, or nothing came for too long after one side ended.
func (r *relaying) wait(site unwaited) {
	inward, outward, gone := r.inward, r.outward, site.hasGone()
	defer r.watch.stop()
	for inward != nil || outward != nil {
		select {
		case <-inward:
			inward = nil
		case <-outward:
			outward = nil
		case <-gone:
			gone = nil
		case <-site.wasClosed():
			return
		case <-r.watch.stuck.C:
		case <-r.watch.tick:
		}
		if inward == nil && isClosed(site.hasGone()) { // a client that waits with both directions open would stay for ever
			return
		}
		ended := inward == nil || outward == nil || gone == nil && site.hasGone() != nil
		if r.watch.over(r.local, ended, outward == nil, site.halfDead()) {
			return
		}
	}
}

func (r *relaying) carryIn() {
	defer close(r.inward)
	r.whole.Store(r.carry(r.local, watched{r.site, r.watch}, inBuffers, r.traffic.in))
}

func (r *relaying) carryOut() {
	defer close(r.outward)
	r.carry(watched{r.site, r.watch}, r.local, outBuffers, r.traffic.out)
}

// carry passes one direction on, and its end, and reports that it did. What it cannot pass on ends both sides.
func (r *relaying) carry(to, from end, big *buffers, count func(int)) bool {
	err := pump(to, from, big, count)
	if err == nil {
		err = to.CloseWrite()
	}
	if err != nil {
		r.close()
	}
	return err == nil
}

// pump copies until from ends. It is not io.Copy because that would use the sockets' own copying, with small buffers.
// A connection has a small one until it has once filled that, and carried as much as a big one is for.
func pump(to io.Writer, from io.Reader, big *buffers, count func(int)) error {
	buf, back := firstBuffers.take()
	defer func() { back() }()
	work.Add(workOfOne)
	carried := 0
	for first := true; ; {
		n, err := from.Read(buf)
		if n > 0 {
			carried += n
			work.Add(int64(n))
			count(n)
			if _, err := to.Write(buf[:n]); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if first && n == len(buf) && carried >= big.bulk {
			first = false
			back()
			buf, back = big.take()
		}
	}
}
