package wire

import (
	"context"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/tap"
	"google.golang.org/protobuf/proto"

	hostv1 "github.com/culvert-pbx/culvert/proto/host/v1"
)

// An element costs nothing before it is known how many there are; what is only somewhat too much passes, for the gate.
func TestElementsAreCountedBeforeTheyAreMade(t *testing.T) {
	encoded := func(n int) mem.BufferSlice {
		req := &hostv1.DeclareRequest{}
		for range n {
			req.Declarations = append(req.Declarations, &hostv1.Declaration{Slots: []string{"a"}})
		}
		b, err := proto.Marshal(req)
		if err != nil {
			t.Fatal(err)
		}
		return mem.BufferSlice{mem.SliceBuffer(b)}
	}
	c := newFrugal()
	if err := c.Unmarshal(encoded(maxEncoded/2), &hostv1.DeclareRequest{}); err != nil {
		t.Errorf("%d elements are refused unread: %v", maxEncoded, err)
	}
	far := encoded(1 << 18)
	into := &hostv1.DeclareRequest{}
	if err := c.Unmarshal(far, into); err == nil || !strings.Contains(err.Error(), "elements") || len(into.GetDeclarations()) > 0 {
		t.Errorf("%d elements are answered with %v, and %d were made", 2<<18, err, len(into.GetDeclarations()))
	}
	if n := testing.AllocsPerRun(3, func() { _ = c.Unmarshal(far, into) }); n > 100 {
		t.Errorf("refusing them costs %.0f allocations", n)
	}
}

// pipeListener accepts one end of a pipe for each dial.
type pipeListener struct {
	net.Listener
	ends chan net.Conn
}

func (l pipeListener) Accept() (net.Conn, error) { return <-l.ends, nil }

func (l pipeListener) dial() net.Conn {
	near, far := net.Pipe()
	l.ends <- far
	return near
}

func TestAModuleHasFewConnectionsAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipes := pipeListener{ends: make(chan net.Conn)}
		in := newInlet(pipes)
		accepted := make(chan net.Conn)
		go func() {
			for range maxConns + 1 {
				c, _ := in.Accept()
				accepted <- c
			}
		}()
		var first net.Conn
		for range maxConns {
			defer pipes.dial().Close()
			first = <-accepted
		}
		if _, err := pipes.dial().Read(make([]byte, 1)); err == nil {
			t.Error("one too many is served")
		}
		first.Close()
		first.Close() // makes room once
		defer pipes.dial().Close()
		(<-accepted).Close()
	})
}

func TestAModuleIsReadNoFasterThanItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		go func() {
			for b := make([]byte, 64<<10); ; {
				if _, err := far.Write(b); err != nil {
					return
				}
			}
		}()
		slow, began, read := Slowly(near), time.Now(), 0
		for b := make([]byte, 64<<10); read < inletBurst+4*inletRate; {
			n, err := slow.Read(b)
			if err != nil {
				t.Fatal(err)
			}
			read += n
		}
		if took := time.Since(began).Round(time.Second); took != 4*time.Second {
			t.Errorf("%d bytes took %v", read, took)
		}
	})
}

// A request that does not come to its end ends its call, of a watch too; a watch whose request came lasts.
func TestARequestArrivesInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for method, lasts := range map[string]bool{hostv1.HostService_Declare_FullMethodName: false, hostv1.HostService_Watch_FullMethodName: true} {
			for _, came := range []bool{false, true} {
				stream, end := context.WithCancel(t.Context())
				ctx, err := await(stream, &tap.Info{FullMethodName: method})
				if err != nil {
					t.Fatal(err)
				}
				if came {
					arrived(ctx)
				}
				time.Sleep(CallTimeout + time.Second)
				if goesOn := ctx.Err() == nil; goesOn != (lasts && came) {
					t.Errorf("%s, its request there: %v: it goes on: %v", method, came, goesOn)
				}
				end()
				synctest.Wait()
			}
		}
	})
}
