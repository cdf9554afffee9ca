package sshtunnel

import (
	"context"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// maxRefusing bounds the refusals under way on one link. A server that opens channels faster than it takes refusals has
// to wait for them.
const maxRefusing = 512

// receive takes all that the server opens and asks for until the connection has ended, also while the link takes its leave;
// it returns when that is over. One goroutine does it all, that of Run: there is one for each link that idles.
func (l *Link) receive() {
	var closing sync.WaitGroup
	closing.Add(1)
	context.AfterFunc(l.ctx, func() { defer closing.Done(); l.close() })
	channels, requests, unasked := l.channels, l.requests, 0
	for channels != nil || requests != nil {
		select {
		case nc, more := <-channels:
			if !more {
				channels = nil
			} else if !l.takeChannel(nc) {
				unasked++
				l.warnUnasked(nc, unasked)
			}
		case r, more := <-requests:
			if !more {
				requests = nil
			} else {
				refuseRequest(r)
			}
		}
	}
	unstick(l.conn)
	err := l.config.mask.error(l.conn.Wait())
	l.ended.Store(true)
	l.lose(linkLost(err))
	closing.Wait()
}

// takeChannel receives a channel that the server opens and never waits for it: x/crypto's own Listen stops all forwards of
// a link as soon as two connections wait on one of them. It reports false for one that was not asked for.
func (l *Link) takeChannel(nc ssh.NewChannel) bool {
	m, origin := l.wanted(nc)
	if m == nil {
		l.refuse(nc, ssh.Prohibited, "not asked for")
		return false
	}
	m.take(nc, origin)
	return true
}

// warnUnasked warns of a channel that was not asked for: of the first, and whenever their number has doubled.
func (l *Link) warnUnasked(nc ssh.NewChannel, number int) {
	if number&(number-1) == 0 {
		l.log.Warn("the server opens channels that were not asked for", "type", tunnel.Clean(nc.ChannelType(), 60), "refused", number)
	}
}

// refuseRequest answers a request of the server's own, a keepalive among others: an answer is all it wants.
func refuseRequest(r *ssh.Request) {
	if r.WantReply {
		_ = r.Reply(false, nil)
	}
}

// wanted returns the mapping whose port nc comes from and who connected there, as the server says, or nil for whatever
// was not asked for.
func (l *Link) wanted(nc ssh.NewChannel) (m *mapping, origin string) {
	var e endpoints
	if nc.ChannelType() != "forwarded-tcpip" || ssh.Unmarshal(nc.ExtraData(), &e) != nil {
		return nil, ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range slices.Backward(l.mappings) { // while one replaces another the later one has asked last
		if m.asked && m.bind() == (bind{e.Host, e.Port}) {
			return m, e.Origin
		}
	}
	return nil, ""
}

// refuse says no without waiting for the server to take it, unless very many refusals wait already: until the socket is
// closed, also while the link takes its leave, since what is not refused stays in the library's memory.
func (l *Link) refuse(nc ssh.NewChannel, reason ssh.RejectionReason, why string) {
	if l.refusing == nil {
		l.refusing = make(chan struct{}, maxRefusing)
	}
	select {
	case l.refusing <- struct{}{}:
	case <-l.closed:
		return // its server will learn soon enough
	}
	l.spawn(func() { defer func() { <-l.refusing }(); _ = nc.Reject(reason, why) }) // or the place is kept until then
}

// take serves one connection to the mapping's remote port. While a proof is under way those that may be its own are
// looked at first; all others go straight to the service.
func (m *mapping) take(nc ssh.NewChannel, origin string) {
	from, _ := netip.ParseAddr(origin)
	watch, hold, stray := m.remote.prover.suspect(from.Unmap(), m.link.sock.minRTT)
	extra := int64(0)
	if watch {
		extra = extraForProofs
	}
	release, full := m.admit(extra)
	if full != nil {
		stray.isKnown() // who proves asks what was refused
		m.link.refuse(nc, ssh.ResourceShortage, "too many connections to this port")
		return
	}
	v := m.traffic.visit(origin)
	started := m.link.spawn(func() {
		if hold > 0 {
			m.hold(nc, v, hold, stray, release)
			return
		}
		m.deliver(nc, v, watch, stray, release)
	})
	if !started {
		release()
	}
}

// deliver connects to the service first, so that a refusal there is a refusal at the server's port too. release is
// called once the channel is refused or has gone.
func (m *mapping) deliver(nc ssh.NewChannel, v *visit, watch bool, stray *stray, release func()) {
	local, err := m.service(m.ctx)
	if err != nil {
		defer release()
		_ = nc.Reject(ssh.ConnectionFailed, "the service did not take the connection")
		m.missed(m.refusedService(err))
		return
	}
	stop := context.AfterFunc(m.ctx, func() { reset(local) }) // Accept waits while the server reads nothing
	defer stop()
	accepted, requests, err := nc.Accept()
	if err != nil {
		release()
		_ = local.Close()
		return
	}
	ch := m.link.newChannel(accepted, requests, release)
	if watch {
		m.relay(local, m.sniff(ch, v.begin, stray), v)
		return
	}
	v.begin()
	m.relay(local, ch, v)
}

// missed tells that a connection did not get to the service behind the mapping. That it ended because the mapping or the
// link did is no news, and a busy server says nothing about the service.
func (m *mapping) missed(f *Failure) {
	if m.ctx.Err() == nil && f.Reason != tunnel.LinkLost && f.Reason != tunnel.ServerBusy {
		m.link.config.Missed(m.Mapping, f)
	}
}

// service connects to the PBX service behind an expose mapping.
func (m *mapping) service(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, targetTimeout)
	defer cancel()
	return m.link.config.DialLocal(ctx, m.Mapping)
}

// relay carries one connection, which has reached the service, until it ends or the mapping does, which resets it: what was
// cut off must not look whole.
func (m *mapping) relay(local net.Conn, site end, v *visit) {
	v.arrive()
	defer v.end()
	stop := context.AfterFunc(m.ctx, func() {
		reset(local)
		_ = site.Close()
	})
	defer stop()
	relay(halfClosing(local), site, m.traffic)
}

// halfClosing is c with its way to end one direction; a connection without one is closed whole.
func halfClosing(c net.Conn) end {
	if h, ok := c.(end); ok {
		return h
	}
	return wholeClosing{c}
}

type wholeClosing struct{ net.Conn }

func (w wholeClosing) CloseWrite() error { return w.Close() }

// dialLocal connects to a mapping's local endpoint by TCP.
func dialLocal(ctx context.Context, m tunnel.Mapping) (net.Conn, error) {
	host := m.Local.Host
	if host == "" {
		host = "127.0.0.1"
	}
	d := net.Dialer{Timeout: targetTimeout, KeepAlive: 30 * time.Second}
	return d.DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(m.Local.Port)))
}

// reset closes c so that whoever is at its other end sees that it was broken off, and not an end. A unix socket knows only
// the end.
func reset(c io.Closer) {
	if c, ok := c.(interface{ SetLinger(sec int) error }); ok {
		_ = c.SetLinger(0)
	}
	_ = c.Close()
}
