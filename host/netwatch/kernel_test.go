package netwatch

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"
)

// apart runs f in a network namespace of its own, on a thread that ends with it.
func apart(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("skipped: needs root, for a network namespace")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("skipped: needs ip (package iproute2)")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends, and the namespace with it
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Errorf("make a network namespace: %v", err)
			return
		}
		f(t)
	}()
	<-done
}

// ip runs the command in the namespace of this thread.
func ip(t *testing.T, args string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Errorf("ip %s: %v: %s", args, err, out)
	}
}

func TestTheKernelTellsOfEachChange(t *testing.T) {
	apart(t, func(t *testing.T) {
		ip(t, "link add v0 type veth peer name v1")
		ip(t, "link set v1 up")
		signs := make(chan struct{}, 1)
		stop, err := listen(t.Context(), signs)
		if err != nil {
			t.Error(err)
			return
		}
		defer stop()
		for _, change := range []string{
			"link set v0 up", "addr add 192.0.2.7/24 dev v0", "addr add 2001:db8::7/64 dev v0 nodad", "route add 198.51.100.0/24 via 192.0.2.1",
			"route del 198.51.100.0/24", "addr del 192.0.2.7/24 dev v0", "link set v0 down", "link del v0",
		} {
			quieten(signs)
			ip(t, change)
			select {
			case <-signs:
			case <-time.After(5 * time.Second):
				t.Errorf("nothing was told of: ip %s", change)
			}
		}
	})
}

// quieten waits until no sign has come for a while.
func quieten(signs <-chan struct{}) {
	for {
		select {
		case <-signs:
		case <-time.After(50 * time.Millisecond):
			return
		}
	}
}

func TestAnAddressIsThereWhileItsInterfaceIsUp(t *testing.T) {
	apart(t, func(t *testing.T) {
		a, mapped := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("::ffff:192.0.2.7")
		six := netip.MustParseAddr("2001:db8::7")
		for _, step := range []struct {
			change string
			there  bool
		}{
			{"link add v0 type veth peer name v1", false},
			{"addr add 192.0.2.7/24 dev v0", false},
			{"link set v0 up", true},
			{"addr add 2001:db8::7/64 dev v0 nodad", true},
			{"link set v0 down", false},
			{"link set v0 up", true},
			{"addr del 192.0.2.7/24 dev v0", false},
		} {
			ip(t, step.change)
			has := addresses(hclog.NewNullLogger())
			if has(a) != step.there || has(mapped) != step.there {
				t.Errorf("after ip %s it is there: %v", step.change, has(a))
			}
			if !has(netip.MustParseAddr("127.0.0.1")) || has(netip.MustParseAddr("192.0.2.8")) {
				t.Error("other addresses are mixed up")
			}
		}
		if has := addresses(hclog.NewNullLogger()); has(six) {
			t.Error("an IPv6 address outlived its interface being down") // the kernel drops it then
		}
	})
}

// The watch runs on the thread that is in the namespace, so each next change is made while it tells of the one before.
func TestAChangeIsToldWithTheAddressesOfThen(t *testing.T) {
	apart(t, func(t *testing.T) {
		ip(t, "link add v0 type veth peer name v1")
		ip(t, "link set v0 up")
		signs := make(chan struct{}, 1)
		stop, err := listen(t.Context(), signs)
		if err != nil {
			t.Error(err)
			return
		}
		defer stop()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		a := netip.MustParseAddr("192.0.2.7")
		changes := []struct {
			change string
			there  bool
		}{{"addr add 192.0.2.7/24 dev v0", true}, {"addr del 192.0.2.7/24 dev v0", false}, {"addr add 192.0.2.7/24 dev v0", true}}
		told := 0
		w := newWatch(hclog.NewNullLogger(), signs, func(c Change) {
			if told >= len(changes) {
				return
			}
			if is := changes[told]; c.Has(a) != is.there || c.Has(netip.MustParseAddr("192.0.2.8")) {
				t.Errorf("told after ip %s: the address is there: %v", is.change, c.Has(a))
			}
			if told++; told == len(changes) {
				cancel()
				return
			}
			quieten(signs)
			ip(t, changes[told].change)
		})
		w.settle, w.between = 20*time.Millisecond, 20*time.Millisecond
		quieten(signs)
		ip(t, changes[0].change)
		w.run(ctx)
		if told != len(changes) {
			t.Errorf("%d of %d changes were told", told, len(changes))
		}
	})
}

func TestWatchEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Watch(ctx, hclog.NewNullLogger(), func(Change) {}) }()
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it did not end")
	}
}
