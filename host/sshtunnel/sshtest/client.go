package sshtest

import (
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// client is one connection that is logged in.
type client struct {
	server *Server
	conn   *ssh.ServerConn
	work   sync.WaitGroup

	mu        sync.Mutex
	listeners map[bind][]net.Listener
	locals    map[net.Conn]bool // both ends of everything relayed, to be closed with the client
	over      bool
}

// bind is a port as the client asked for it.
type bind struct {
	Host string
	Port uint32
}

// endpoints is the payload of a channel that carries a TCP connection (RFC 4254, 7.2).
type endpoints struct {
	Host       string
	Port       uint32
	Origin     string
	OriginPort uint32
}

// serve handles one connection until it ends.
func (s *Server) serve(raw net.Conn) {
	conn, channels, requests, err := ssh.NewServerConn(raw, s.config())
	if err != nil {
		return
	}
	c := &client{server: s, conn: conn, listeners: map[bind][]net.Listener{}, locals: map[net.Conn]bool{}}
	s.mu.Lock()
	s.clients[c] = true
	s.mu.Unlock()
	defer c.end()
	c.work.Go(func() { c.requests(requests) })
	c.work.Go(func() { c.channels(channels) })
	for _, kind := range s.options.Unasked {
		c.work.Go(func() { c.offer(kind, bind{"localhost", 1}) })
	}
	_ = conn.Wait()
}

// end closes everything of the client and waits for it.
func (c *client) end() {
	c.server.mu.Lock()
	delete(c.server.clients, c)
	c.server.mu.Unlock()
	c.mu.Lock()
	c.over = true
	for _, all := range c.listeners {
		for _, l := range all {
			_ = l.Close()
		}
	}
	for l := range c.locals {
		_ = l.Close()
	}
	c.mu.Unlock()
	_ = c.conn.Close()
	c.work.Wait()
}

// offer opens a channel from b and reports whether the client took it.
func (c *client) offer(kind string, b bind) bool {
	ch, requests, err := c.conn.OpenChannel(kind, ssh.Marshal(&endpoints{b.Host, b.Port, "127.0.0.1", 1}))
	if err != nil {
		c.server.mu.Lock()
		c.server.refused++
		c.server.mu.Unlock()
		return false
	}
	go ssh.DiscardRequests(requests)
	_ = ch.Close()
	return true
}

func (c *client) requests(in <-chan *ssh.Request) {
	o := c.server.options
	for r := range in {
		keepalive := r.Type == "keepalive@openssh.com"
		if o.Mute && !(keepalive && o.KeepaliveOK) {
			continue
		}
		if !keepalive && o.Hold != nil {
			<-o.Hold
		}
		yes := false
		var b bind
		switch {
		case o.NoForwarding || ssh.Unmarshal(r.Payload, &b) != nil:
		case r.Type == "tcpip-forward":
			yes = o.NeverListen || c.listen(b)
			if !yes && o.OnRefusal != nil {
				o.OnRefusal()
			}
		case r.Type == "cancel-tcpip-forward":
			yes = c.cancel(b)
		}
		if r.WantReply {
			_ = r.Reply(yes, nil)
		}
	}
}

func (c *client) channels(in <-chan ssh.NewChannel) {
	o := c.server.options
	for nc := range in {
		var e endpoints
		switch {
		case o.Mute:
		case nc.ChannelType() != "direct-tcpip" || ssh.Unmarshal(nc.ExtraData(), &e) != nil:
			_ = nc.Reject(ssh.UnknownChannelType, "only direct-tcpip")
		case o.LoseTargets:
			c.work.Go(func() { lose(nc) })
		case o.NoForwarding || o.NoTargets:
			_ = nc.Reject(ssh.Prohibited, "open failed")
		default:
			c.work.Go(func() { c.connect(nc, e) })
		}
	}
}

// lose takes a channel and everything said on it, and says nothing.
func lose(nc ssh.NewChannel) {
	ch, requests, err := nc.Accept()
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	_, _ = io.Copy(io.Discard, ch)
	_ = ch.Close()
}

// connect joins a channel to its target.
func (c *client) connect(nc ssh.NewChannel, e endpoints) {
	target, err := net.Dial("tcp", net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port))))
	if err != nil {
		_ = nc.Reject(ssh.ConnectionFailed, "connect failed: "+err.Error())
		return
	}
	if c.server.options.OnTarget != nil {
		c.server.options.OnTarget()
	}
	ch, requests, err := nc.Accept()
	if err != nil {
		_ = target.Close()
		return
	}
	go ssh.DiscardRequests(requests)
	c.relay(target.(*net.TCPConn), &slow{ch, c.server.options.SlowTargets})
}

// slow is a channel of which the first read waits.
type slow struct {
	ssh.Channel
	wait time.Duration
}

func (s *slow) Read(p []byte) (int, error) {
	time.Sleep(s.wait)
	s.wait = 0
	return s.Channel.Read(p)
}

// listen opens a port at the server for the client. One of the two loopback addresses is enough, as with sshd.
func (c *client) listen(b bind) bool {
	var opened []net.Listener
	for _, host := range c.hosts(b.Host) {
		if l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(int(b.Port)))); err == nil {
			opened = append(opened, l)
		}
	}
	if len(opened) == 0 {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listeners[b] = opened
	for _, l := range opened {
		if c.over {
			_ = l.Close()
			continue
		}
		c.work.Go(func() { c.forward(l, b) })
	}
	return !c.over
}

// hosts are the addresses that a request for host binds.
func (c *client) hosts(host string) []string {
	loopback := []string{"127.0.0.1", "::1"}
	switch all := host == "" || host == "*"; {
	case c.server.options.Gateway == "yes", all && c.server.options.Gateway == "clientspecified":
		return []string{""}
	case host == "localhost" || all:
		return loopback
	case slices.Contains(loopback, host):
		return []string{host}
	}
	return loopback
}

func (c *client) cancel(b bind) bool {
	c.server.mu.Lock()
	c.server.cancels++
	c.server.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.listeners[b] {
		_ = l.Close()
	}
	_, had := c.listeners[b]
	delete(c.listeners, b)
	return had
}

func (c *client) listening() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []string
	for _, ls := range c.listeners {
		for _, l := range ls {
			all = append(all, l.Addr().String())
		}
	}
	return all
}

// forward hands the connections of one listener to the client, or to the service it was joined to.
func (c *client) forward(l net.Listener, b bind) {
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		if to := c.server.options.JoinTo; to != "" {
			c.work.Go(func() { c.join(in.(*net.TCPConn), to) })
			continue
		}
		c.work.Go(func() { c.hand(in.(*net.TCPConn), b) })
	}
}

func (c *client) hand(in *net.TCPConn, b bind) {
	time.Sleep(c.server.options.SlowForward)
	from := in.RemoteAddr().(*net.TCPAddr)
	ch, requests, err := c.conn.OpenChannel("forwarded-tcpip",
		ssh.Marshal(&endpoints{b.Host, b.Port, from.IP.String(), uint32(from.Port)}))
	if err != nil {
		_ = in.Close()
		return
	}
	go ssh.DiscardRequests(requests)
	c.relay(in, ch)
}

func (c *client) join(in *net.TCPConn, to string) {
	out, err := net.Dial("tcp", to)
	if err != nil {
		_ = in.Close()
		return
	}
	defer c.own(out)()
	c.relay(in, out.(*net.TCPConn))
}

// half is a connection whose directions end apart.
type half interface {
	io.ReadWriteCloser
	CloseWrite() error
}

// own has conn closed with the client; the result takes it back.
func (c *client) own(conn net.Conn) func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.locals[conn] = true
	if c.over {
		_ = conn.Close()
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.locals, conn)
	}
}

// relay carries both directions and passes the end of each on alone.
func (c *client) relay(local *net.TCPConn, other half) {
	defer c.own(local)()
	var both sync.WaitGroup
	carry := func(to, from half) {
		_, err := io.Copy(to, from)
		if err == nil {
			err = to.CloseWrite()
		}
		if err != nil {
			_ = to.Close()
			_ = from.Close()
		}
	}
	both.Go(func() { carry(local, other) })
	both.Go(func() { carry(other, local) })
	both.Wait()
	_ = local.Close()
	_ = other.Close()
}
