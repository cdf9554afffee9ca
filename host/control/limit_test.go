package control_test

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/control"
)

// One process cannot use up the daemon's descriptors, and what it lets go of can be used again.
func TestOneProcessCannotTakeAllConnections(t *testing.T) {
	t.Parallel()
	d, c := start(t)
	var all []net.Conn
	closeAll := func() {
		for _, x := range all {
			x.Close()
		}
		all = nil
	}
	defer closeAll()
	refused := false
	for range 100 {
		x, err := net.Dial("unix", d.Socket)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, x)
		x.SetReadDeadline(time.Now().Add(30 * time.Millisecond))
		var b [1]byte
		_, err = x.Read(b[:])
		if ne, ok := err.(net.Error); !ok || !ne.Timeout() {
			refused = true
			break
		}
	}
	if !refused {
		t.Error("100 connections of one process stand")
	}
	closeAll()
	for end := time.Now().Add(patience); ; {
		_, err := c.Version(t.Context())
		if err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// One connection too many is told which limit it met.
func TestOneTooManyIsToldTheLimit(t *testing.T) {
	t.Parallel()
	d, _ := start(t)
	for range 64 {
		x, err := net.Dial("unix", d.Socket)
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
	}
	c := control.NewClient(d.Socket)
	defer c.Close()
	_, err := c.AddConfiguration(t.Context(), control.NewConfiguration{Module: "hello", Name: "another"})
	var e *control.Error
	if !errors.As(err, &e) || e.Status != 503 || e.Code != "too-many-connections" || !strings.Contains(e.Message, "64 connections of this process group") || e.Hint == "" {
		t.Errorf("got %#v", err)
	}
}

// A module gets to hear that it is refused, and takes no place of an operator's.
func TestModuleTakesNoPlace(t *testing.T) {
	t.Parallel()
	d, c := start(t)
	d.SetIsModule(true)
	for range 100 {
		x, err := net.Dial("unix", d.Socket)
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
	}
	d.SetIsModule(false)
	if _, err := c.Version(t.Context()); err != nil {
		t.Errorf("an operator among a module's connections: %v", err)
	}
	d.SetIsModule(true)
	code := 0
	for end := time.Now().Add(patience); code != 403 && time.Now().Before(end); {
		c.Close() // the next request comes over a connection of its own
		var e *control.Error
		if _, err := c.Version(t.Context()); errors.As(err, &e) {
			code = e.Status
		}
	}
	if code != 403 {
		t.Errorf("the module is told %d", code)
	}
}

// Whoever sends half a request is not waited for.
func TestHalfARequest(t *testing.T) {
	t.Parallel()
	d, _ := start(t)
	x, err := net.Dial("unix", d.Socket)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	if _, err := x.Write([]byte("GET /v1/status HTTP/1.1\r\nHost: x\r\n")); err != nil {
		t.Fatal(err)
	}
	x.SetReadDeadline(time.Now().Add(patience))
	began := time.Now()
	var b [512]byte
	for {
		if _, err := x.Read(b[:]); err != nil {
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				t.Error("still waited for")
			}
			break
		}
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("took %s", took)
	}
}
