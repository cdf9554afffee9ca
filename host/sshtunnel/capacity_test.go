package sshtunnel_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// TestManyConnectionsAtOnce over several links, some to a service that reads nothing: none is refused, those that move
// go on, and the stuck ones cost what their windows hold.
func TestManyConnectionsAtOnce(t *testing.T) {
	links, each, stalled := 4, 50, 5
	if os.Getenv("CULVERT_SOAK") != "" {
		links, each, stalled = 10, 180, 20
	}
	s := start(t, sshtest.Options{})
	c := config("127.0.0.1", s.Port())
	c.Limits = sshtunnel.NewLimits()
	flood := serve(t, func(c *net.TCPConn) { // more than a window holds, to clients that do not read
		for b := make([]byte, 64<<10); ; {
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	})
	answer := serve(t, echo)
	memory := watchMemory(t)
	var all sync.WaitGroup
	for i := range links {
		l := open(t, c)
		moving, stuck := reach("moving", freePort(t), "127.0.0.1", answer.port), reach("stuck", 0, "127.0.0.1", flood.port)
		must(t, l.Apply(soon(t), moving))
		must(t, l.Apply(soon(t), stuck))
		for range stalled {
			conn, err := l.Open(soon(t), stuck, fmt.Sprintf("10.0.0.%d", i))
			must(t, err)
			t.Cleanup(func() { conn.Close() })
		}
		for range each {
			conn, err := l.Open(soon(t), moving, "127.0.0.1")
			must(t, err)
			t.Cleanup(func() { conn.Close() })
			all.Go(func() {
				part := make([]byte, 16<<10)
				for range 4 {
					if _, err := conn.Write(part); err != nil {
						t.Error(err)
						return
					}
					if _, err := io.ReadFull(conn, part); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		defer func() {
			if now := l.Traffic("moving"); now.Refused > 0 || now.Open != each || now.Total != uint64(each) {
				t.Errorf("%d refused, %d open, %d in all", now.Refused, now.Open, now.Total)
			}
		}()
	}
	all.Wait()
	// Both ends of everything are in this process: the server's copies of 2 MiB windows among them.
	grown, most := memory()>>20, int64(64+2*stalled*links*22/10+links*each/4)
	if underRace {
		most *= 4
	}
	t.Logf("%d connections, %d of them stuck: %d MB", links*(each+stalled), links*stalled, grown)
	if grown > most {
		t.Errorf("cost %d MB, want at most %d", grown, most)
	}
}

// TestDeadTargetsDelayNobody: neither one behind the server nor one on the PBX that takes no connection.
func TestDeadTargetsDelayNobody(t *testing.T) {
	s := start(t, sshtest.Options{})
	c := config("127.0.0.1", s.Port())
	svc, dead := serve(t, echo), freePort(t)
	c.DialLocal = func(ctx context.Context, m tunnel.Mapping) (net.Conn, error) {
		if m.Local.Port == dead {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(m.Local.Port)))
	}
	l := open(t, c)
	hole, end := blackHole(t)
	defer end()
	silent, good := reach("silent", 0, "127.0.0.1", hole), reach("good", 0, "127.0.0.1", svc.port)
	exposedDead, exposed := expose("exposed-dead", dead, freePort(t)), expose("exposed", svc.port, freePort(t))
	for _, m := range []tunnel.Mapping{silent, good, exposedDead, exposed} {
		must(t, l.Apply(soon(t), m))
	}
	ctx, cancel := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	for range 40 {
		waiting.Go(func() {
			if c, err := l.Open(ctx, silent, "127.0.0.1"); err == nil {
				c.Close()
			}
		})
		dial(t, "127.0.0.1", exposedDead.Remote.Port)
	}
	var took []time.Duration
	for range 20 {
		began := time.Now()
		conn, err := l.Open(soon(t), good, "127.0.0.1")
		must(t, err)
		talk(t, conn, "hello\n")
		conn.Close()
		took = append(took, time.Since(began))
		began = time.Now()
		talk(t, dial(t, "127.0.0.1", exposed.Remote.Port), "hello\n")
		took = append(took, time.Since(began))
	}
	cancel()
	waiting.Wait()
	slices.Sort(took)
	t.Logf("beside dead targets a connection took %v, at most %v", took[len(took)/2], took[len(took)-1])
	if took[len(took)/2] > time.Second { // a dead target takes ten
		t.Errorf("beside dead targets connections took %v", took)
	}
}

// TestLimitsOfLinkAndPBX: more than a link or all links may have are refused and counted, and the message says which.
func TestLimitsOfLinkAndPBX(t *testing.T) {
	s := start(t, sshtest.Options{})
	c := config("127.0.0.1", s.Port())
	c.Limits = sshtunnel.LimitsOf(8)
	one, other := open(t, c), open(t, c.WithMaxOfLink(5))
	m := reach("m", 0, "127.0.0.1", stuck(t).port)
	must(t, one.Apply(soon(t), m))
	must(t, other.Apply(soon(t), m))
	for range 5 {
		_, err := other.Open(soon(t), m, "a")
		must(t, err)
	}
	_, err := other.Open(soon(t), m, "a")
	f := wantReason(t, err, tunnel.ServerBusy)
	if f.Message != "5 connections of one link are open, and more are not taken" {
		t.Error(f.Message)
	}
	for range 3 {
		_, err := one.Open(soon(t), m, "a")
		must(t, err)
	}
	_, err = one.Open(soon(t), m, "a")
	f = wantReason(t, err, tunnel.ServerBusy)
	if f.Message != "8 connections of all tunnels are open, and more are not taken" {
		t.Error(f.Message)
	}
	if a, b := one.Traffic("m").Refused, other.Traffic("m").Refused; a != 1 || b != 1 {
		t.Errorf("%d and %d refused, want one each", a, b)
	}
	other.stop()
	_, err = one.Open(soon(t), m, "a") // their places are free
	must(t, err)
}
