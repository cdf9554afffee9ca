package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/netbed"
)

// path is a daemon on the PBX of a bed, with a tunnel to an sshd at its site and an echo service behind each mapping.
// Whether data flows is the word of probers at the far end.
type path struct {
	*rig
	bed           *netbed.Bed
	sshd          *netbed.SSHD
	expose, reach *netbed.Probe
	atPBX, atSite int // the echo services
}

// What every tunnel of a path has.
const (
	pathPort    = 2222 // of the sshd
	pathExposed = 9100 // at the site
	pathReach   = 1389 // at the PBX
	pathTunnel  = "operator/x"
)

// newPath is a path whose tunnel is up. What prepare does to the bed is done before.
func newPath(t *testing.T, prepare ...func(*path) error) *path {
	t.Helper()
	p := preparePath(t)
	for _, f := range prepare {
		p.do(f(p))
	}
	p.add()
	p.waitState(pathTunnel, "up", 40*time.Second)
	return p
}

// preparePath is a path without a tunnel.
func preparePath(t *testing.T) *path {
	t.Helper()
	if err := netbed.Missing(); err != nil {
		t.Skip("skipped: ", err)
	}
	p := &path{rig: prepareRig(t)}
	var err error
	p.bed, err = netbed.New()
	p.do(err)
	t.Cleanup(p.bed.Close) // before the rig's own clean-up: it ends the daemon as well
	t.Cleanup(p.stop)
	p.begin = p.bed.PBX.Start
	p.start()
	p.sshd, err = p.bed.SSHD(p.bed.Srv, netbed.SSHDOptions{Port: pathPort, Keys: []string{p.publicKey()}})
	p.do(err)
	p.atPBX, err = p.bed.Echo(p.bed.PBX, "127.0.0.1:0")
	p.do(err)
	p.atSite, err = p.bed.Echo(p.bed.Srv, "127.0.0.1:0")
	p.do(err)
	return p
}

func (p *path) do(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// add adds the tunnel and begins to probe it.
func (p *path) add() {
	p.t.Helper()
	p.must("tunnel", "add", pathTunnel, "--server", "root@"+p.sshd.Addr, "--key", "host",
		"--expose", fmt.Sprintf("e=%d:%d", p.atPBX, pathExposed), "--reach", fmt.Sprintf("r=%d:127.0.0.1:%d", pathReach, p.atSite))
	p.expose = p.bed.Probe(netbed.ProbeOptions{From: p.bed.Srv, Addr: local(pathExposed), Every: 200 * time.Millisecond})
	p.reach = p.bed.Probe(netbed.ProbeOptions{From: p.bed.PBX, Addr: local(pathReach), Every: 200 * time.Millisecond})
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// back waits until data flows through both mappings again, and returns how long after since that was.
func (p *path) back(since time.Time, within time.Duration) time.Duration {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), within)
	defer cancel()
	var last time.Time
	for _, probe := range []*netbed.Probe{p.expose, p.reach} {
		up, err := probe.WaitUp(ctx, since)
		if err != nil {
			v, _ := p.tunnel(pathTunnel)
			p.t.Fatalf("no data %v after the path was whole; the tunnel is %s (%s): %s %+v", within, v.State, v.Reason, v.Message, v.Mappings)
		}
		if up.After(last) {
			last = up
		}
	}
	return last.Sub(since)
}

// noticed waits until the tunnel is not called up any more.
func (p *path) noticed(since time.Time, within time.Duration) time.Duration {
	p.t.Helper()
	eventually(p.t, within, "the break to be noticed", func() error {
		v, err := p.tunnel(pathTunnel)
		if err == nil && v.State == "up" {
			err = errors.New("it is called up")
		}
		return err
	})
	return time.Since(since)
}

// open opens a connection through each mapping, to stay.
func (p *path) open() []net.Conn {
	p.t.Helper()
	var all []net.Conn
	for _, at := range []struct {
		in   *netbed.Namespace
		port int
	}{{p.bed.Srv, pathExposed}, {p.bed.PBX, pathReach}} {
		c, err := at.in.Dial(p.t.Context(), local(at.port))
		p.do(err)
		p.t.Cleanup(func() { c.Close() })
		all = append(all, c)
	}
	p.carries(all, 20*time.Second)
	return all
}

// carries has each connection echo a byte.
func (p *path) carries(all []net.Conn, within time.Duration) {
	p.t.Helper()
	for i, c := range all {
		_ = c.SetDeadline(time.Now().Add(within))
		_, err := c.Write([]byte("x"))
		if err == nil {
			_, err = c.Read(make([]byte, 1))
		}
		if err != nil {
			p.t.Errorf("connection %d carries nothing: %v", i, err)
		}
	}
}

// losses are the events that say that the tunnel was up and is not any more.
func (p *path) losses() (all []eventJSON) {
	p.t.Helper()
	for _, e := range p.eventList() {
		if e.Type == "tunnel-state" && e.Fields["was"] == "up" {
			all = append(all, e)
		}
	}
	return all
}

// mapping is what the daemon says of one of them.
func (p *path) mapping(name string) (mappingJSON, error) {
	v, err := p.tunnel(pathTunnel)
	for _, m := range v.Mappings {
		if m.Name == name {
			return m, err
		}
	}
	return mappingJSON{}, fmt.Errorf("there is no mapping %s: %w", name, err)
}

// show reads what the tests want to know of the tunnel into v.
func (p *path) show(name string, v any) error {
	out, err := p.try("tunnel", "show", name, "-o", "json")
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(out), v)
}
