package control

import (
	"context"
	"fmt"
	"net"
	"syscall"
)

// peer is who is at the other end of a connection, as the kernel recorded it when the connection was made.
type peer struct {
	pid int
	uid uint32
	ok  bool

	limit *Error // why its connection is one too many, nil where it is not
}

// actor is how events name the peer.
func (p peer) actor() string { return fmt.Sprintf("operator:%d", p.uid) }

type peerKey struct{}

// withPeer keeps the connection's peer in its context. On a connection that Listen's listener did not accept it is
// unknown.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	if c, ok := c.(*counted); ok {
		p := c.peer
		p.limit = c.limit
		ctx = context.WithValue(ctx, peerKey{}, p)
	}
	return ctx
}

// peerFrom is the peer of the connection a request came on, not ok where it is unknown.
func peerFrom(ctx context.Context) peer {
	p, _ := ctx.Value(peerKey{}).(peer)
	return p
}

func peerOf(c *net.UnixConn) peer {
	raw, err := c.SyscallConn()
	if err != nil {
		return peer{}
	}
	var cred *syscall.Ucred
	var gerr error
	err = raw.Control(func(fd uintptr) {
		cred, gerr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err != nil || gerr != nil {
		return peer{}
	}
	return peer{pid: int(cred.Pid), uid: cred.Uid, ok: true}
}
