package sshtunnel_test

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
)

// ending is how what somebody read ended.
type ending struct {
	of  string
	err error
}

// endOf reads until nothing more comes, and returns how that was said.
func endOf(c net.Conn) error {
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	_, err := io.Copy(io.Discard, c)
	return err
}

// pours sends without an end.
func pours(c *net.TCPConn) {
	for b := make([]byte, 1000); ; {
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

// TestWhatWasCutOffDoesNotLookWhole: whoever reads when a link is lost or given up, through whichever kind of mapping, gets an
// error and not the end that the sender never wrote.
func TestWhatWasCutOffDoesNotLookWhole(t *testing.T) {
	for name, cut := range map[string]func(*sshdtest.Server, *running){
		"its session is killed": func(s *sshdtest.Server, _ *running) { s.Cut() },
		"it is stopped":         func(_ *sshdtest.Server, l *running) { l.stop() },
		"it is given up":        func(_ *sshdtest.Server, l *running) { l.Retire() },
		"its mappings go": func(_ *sshdtest.Server, l *running) {
			for _, m := range []string{"r", "e", "private"} {
				_ = l.Withdraw(soon(t), m)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := byKey(t, sshdtest.Options{})
			l := open(t, c)
			const each = 5
			ends := make(chan ending, 3*each)
			site, lport, rport := serve(t, pours), freePort(t), freePort(t)
			service := serve(t, func(c *net.TCPConn) { ends <- ending{"a service", endOf(c)} })
			must(t, l.Apply(soon(t), reach("r", lport, "127.0.0.1", site.port)))
			must(t, l.Apply(soon(t), expose("e", service.port, rport)))
			for range each {
				client, private := dial(t, "127.0.0.1", lport), dialTo(t, l, site)
				go pours(dial(t, "127.0.0.1", rport))
				for who, c := range map[string]net.Conn{"a client": client, "a module": private} {
					if _, err := io.ReadFull(c, make([]byte, 100_000)); err != nil {
						t.Fatal(err)
					}
					go func() { ends <- ending{who, endOf(c)} }()
				}
			}
			eventually(t, "all carry", func() bool { return l.Traffic("e").Open == each && l.Traffic("e").In > each*100_000 })
			cut(s, l)
			for range 3 * each {
				if e := <-ends; e.err == nil || isTimeout(e.err) {
					t.Errorf("%s read to the end: %v", e.of, e.err)
				}
			}
		})
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
