package sshtunnel

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
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

// Buffers are taken per connection and direction. Towards the PBX a big one joins many SSH packets, of 32 KiB each, into
// one write; towards the site one packet is all that a write can carry.
var (
	inBuffers  = buffers(256 << 10)
	outBuffers = buffers(32 << 10)
)

func buffers(size int) *sync.Pool {
	return &sync.Pool{New: func() any { b := make([]byte, size); return &b }}
}

// Relay carries bytes between a connection on the PBX and one to the site until both directions have ended, then closes
// both. The end of one direction is passed on alone (half-close): what the other side still has to say arrives. An
// error of either ends both.
//
// A site that Link.Open returned is relayed past its deadlines, and its bytes are counted for its mapping.
func Relay(local, site Conn) {
	if c, ok := site.(*channelConn); ok {
		stop := context.AfterFunc(c.over, func() { _ = local.Close() })
		defer stop()
		defer c.Close()
		relay(local, c.channel, c.traffic)
		return
	}
	relay(local, site, &traffic{})
}

func relay(local, site end, t *traffic) {
	inward, outward := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(inward)
		carry(local, site, inBuffers, t.in, local, site)
		closeAfter(site, outward, local)
	}()
	carry(site, local, outBuffers, t.out, local, site)
	close(outward)
	<-inward
	_ = local.Close()
	_ = site.Close()
}

// closeAfter closes local once site can take nothing more, so that a client that waits with both directions open does not
// stay for ever.
func closeAfter(site end, outward <-chan struct{}, local end) {
	c, ok := site.(interface{ hasGone() <-chan struct{} })
	if !ok {
		return
	}
	select {
	case <-c.hasGone():
		_ = local.Close()
	case <-outward:
	}
}

// carry passes one direction on, and its end. What it cannot pass on ends both sides.
func carry(to, from end, pool *sync.Pool, count func(int), both ...io.Closer) {
	err := pump(to, from, pool, count)
	if err == nil {
		err = to.CloseWrite()
	}
	if err != nil {
		for _, c := range both {
			_ = c.Close()
		}
	}
}

// pump copies until from ends. It is not io.Copy because that would use the sockets' own copying, with small buffers.
func pump(to io.Writer, from io.Reader, pool *sync.Pool, count func(int)) error {
	buf := pool.Get().(*[]byte)
	defer pool.Put(buf)
	for {
		n, err := from.Read(*buf)
		if n > 0 {
			count(n)
			if _, err := to.Write((*buf)[:n]); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}
