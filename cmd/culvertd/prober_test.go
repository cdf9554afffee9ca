package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
)

// A module's connections are like any others: deadlines, half-close, many at once, and a Dial that ends with its context.
func TestAModulesConnectionsAreLikeAnyOthers(t *testing.T) {
	t.Parallel()
	r := newRig(t, "prober")
	sshd := sshdtest.Start(t, sshdtest.Options{AuthorizedKeys: []string{r.publicKey()}})
	hash, port := startService(t), freePort(t)
	silent := make(chan bool)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/silent" {
			select {
			case <-silent:
			case <-r.Context().Done():
			}
			return
		}
		fmt.Fprint(w, r.Host, r.URL.Path)
	}))
	defer web.Close()
	defer close(silent)
	r.must("config", "add", "prober/default", "--set", server(sshd), "--set", "site.slots.inbound.on=true", "--set", fmt.Sprintf("site.slots.inbound.spec=:%d", port),
		"--set", "site.slots.hash.on=true", "--set", fmt.Sprintf("site.slots.hash.spec=:127.0.0.1:%d", hash.port),
		"--set", "site.slots.web.on=true", "--set", fmt.Sprintf("site.slots.web.spec=:127.0.0.1:%d", web.Listener.Addr().(*net.TCPAddr).Port))
	r.waitState("prober/default.site", "up", 30*time.Second)

	if got := r.test("prober/default"); !got.OK || len(got.Steps) != 8 {
		t.Errorf("over the tunnel: %+v", got.Steps)
	}
	var all sync.WaitGroup
	for range 30 {
		all.Go(func() {
			if err := ask(port, 300_000, 20*time.Second); err != nil {
				t.Errorf("from the site: %v", err)
			}
		})
	}
	all.Go(func() { r.isTold("late", port) })
	all.Wait()

	sshd.Stop()
	eventually(t, 30*time.Second, "the tunnel to wait", func() error {
		v, err := r.tunnel("prober/default.site")
		if err == nil && v.State != "waiting" && v.State != "connecting" {
			err = fmt.Errorf("it is %s", v.State)
		}
		return err
	})
	if got := r.test("prober/default", "down=true"); !got.OK || len(got.Steps) != 4 {
		t.Errorf("without the tunnel: %+v", got.Steps)
	}
}

// isTold connects as somebody at the site does and says nothing.
func (r *rig) isTold(want string, port int) {
	c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		r.t.Error(err)
		return
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if got, err := io.ReadAll(c); err != nil || strings.TrimSpace(string(got)) != want {
		r.t.Errorf("who says nothing is told %q, %v", got, err)
	}
}
