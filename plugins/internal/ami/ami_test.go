package ami_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/culvert-pbx/culvert/plugins/internal/ami"
	"github.com/culvert-pbx/culvert/plugins/internal/ami/amitest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func reload(module string) ami.Message {
	return ami.Message{{Name: "Action", Value: "Reload"}, {Name: "Module", Value: module}}
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestActions(t *testing.T) {
	stub := &amitest.Stub{User: "u", Secret: "s", Rights: []string{"config"}, Modules: []string{"pbx_config"}}
	stub.Noisy()
	c, err := ami.Login(t.Context(), dial(t, stub.Start(t)), "u", "s")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	m, err := c.Do(t.Context(), reload("pbx_config"))
	if err != nil || m.Get("message") != "Module Reloaded" {
		t.Errorf("%v, %v", m, err)
	}
	if _, err := c.Do(t.Context(), reload("res_nothing")); err == nil || errors.Is(err, ami.ErrDenied) || !strings.Contains(err.Error(), "No such module.") {
		t.Errorf("a module that is not there: %v", err)
	}
	stub.Allow("call")
	if _, err := c.Do(t.Context(), reload("pbx_config")); !errors.Is(err, ami.ErrDenied) {
		t.Errorf("without the right: %v", err)
	}
	if got := stub.Reloaded(); len(got) != 1 {
		t.Errorf("reloaded: %q", got)
	}
}

func TestARefusedLogin(t *testing.T) {
	stub := &amitest.Stub{User: "u", Secret: "s"}
	addr := stub.Start(t)
	for _, who := range [][2]string{{"u", "wrong"}, {"u", ""}, {"x", "s"}} {
		if _, err := ami.Login(t.Context(), dial(t, addr), who[0], who[1]); !errors.Is(err, ami.ErrLogin) {
			t.Errorf("%q: %v", who, err)
		}
	}
}

// No value becomes a header, an action or the end of a message.
func TestValuesThatWouldBeReadAsMore(t *testing.T) {
	stub := &amitest.Stub{User: "u", Secret: "s", Rights: []string{"config"}, Modules: []string{"pbx_config"}}
	c, err := ami.Login(t.Context(), dial(t, stub.Start(t)), "u", "s")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, v := range []string{"x\r\nAction: Reload", "x\nModule: pbx_config", "\r", "\x00", strings.Repeat("x", 1000)} {
		if _, err := c.Do(t.Context(), reload(v)); err == nil {
			t.Errorf("%.20q was sent", v)
		}
	}
	if _, err := c.Do(t.Context(), ami.Message{{Name: "A: b\r\n", Value: "x"}}); err == nil {
		t.Error("a name with a line break was sent")
	}
	if _, err := c.Do(t.Context(), reload("pbx_config")); err != nil || len(stub.Reloaded()) != 1 {
		t.Errorf("afterwards: %v, %q", err, stub.Reloaded())
	}
}

// What is no manager interface, or a bad one, is told within bounds.
func TestStrangers(t *testing.T) {
	for name, c := range map[string]struct{ says, want string }{
		"another protocol": {"SSH-2.0-OpenSSH_9.2\r\n", "not the manager interface"},
		"a terminal":       {"\x1b[2J\r\n", `\x1b[2J`},
		"an endless line":  {strings.Repeat("x", 20<<10), "line without an end"},
		"endless headers":  {"Asterisk Call Manager/11.0.0\r\n" + strings.Repeat("a: b\r\n", 1000), "message without an end"},
		"nothing":          {"", "EOF"},
		"half an answer":   {"Asterisk Call Manager/11.0.0\r\nResponse: Succ", "EOF"},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() { say(l, c.says) })
		if _, err := ami.Login(t.Context(), dial(t, l.Addr().String()), "u", "s"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		l.Close()
		wg.Wait()
	}
}

// say tells one caller something, and hears it out.
func say(l net.Listener, text string) {
	conn, err := l.Accept()
	if err != nil {
		return
	}
	defer conn.Close()
	io.WriteString(conn, text)
	conn.(*net.TCPConn).CloseWrite()
	io.Copy(io.Discard, conn)
}

func TestASilentPeerIsLeft(t *testing.T) {
	here, there := net.Pipe()
	defer there.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := ami.Login(ctx, here, "u", "s"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}
