package verify

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve serves questions at a port of this machine until the test ends.
func serve(t *testing.T, ask Ask) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := New(ask, 0, func(string) {}).Serve(ctx, l, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("it ends with %v", err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return l.Addr().String()
}

// say connects, and says that much of a question.
func say(t *testing.T, address, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c
}

func whole(user, password string) string {
	return request(fmt.Sprintf(`{"user":%q,"password":%q}`, user, password))
}

func request(body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", Path, len(body), body)
}

// code is that of the answer on a connection.
func code(c net.Conn) int {
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	return res.StatusCode
}

// However many are slow, whoever is quick is answered.
func TestTheSlowDoNotKeepOutTheQuick(t *testing.T) {
	var n int
	address := serve(t, directory(&n))
	text := whole("alice", "open sesame")
	for i := range 300 {
		say(t, address, []string{"", text[:20], text[:len(text)-5]}[i%3])
	}
	for range 5 {
		began := time.Now()
		if got, took := code(say(t, address, text)), time.Since(began); got != 200 || took > time.Second {
			t.Errorf("the quick one is answered with %d after %v", got, took)
		}
	}
}

// Beyond those there is room for, who came first gives way, at once and nobody else.
func TestWhoCameFirstGivesWay(t *testing.T) {
	var n int
	address := serve(t, directory(&n))
	const more = 30
	var all []net.Conn
	for range maxWaiting + more {
		all = append(all, say(t, address, "POST "))
	}
	for i, c := range all {
		_ = c.SetReadDeadline(time.Now().Add(askLimit / 2))
		if i >= more {
			_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
		}
		_, err := c.Read(make([]byte, 1))
		if left := errors.Is(err, os.ErrDeadlineExceeded); left != (i >= more) {
			t.Errorf("number %d of %d: %v", i, len(all), err)
		}
	}
}

// Who is slow is let go, within the limits of head and body.
func TestTheSlowAreLetGo(t *testing.T) {
	var n int
	address := serve(t, directory(&n))
	text := whole("alice", "open sesame")
	var wg sync.WaitGroup
	for _, part := range []string{"", text[:20], text[:len(text)-5]} {
		c := say(t, address, part)
		wg.Go(func() {
			began := time.Now()
			_ = c.SetReadDeadline(began.Add(3 * 2 * askLimit))
			if got, took := code(c), time.Since(began); got == 200 || took > 2*2*askLimit {
				t.Errorf("having said %q it gets %d after %v", part, got, took)
			}
		})
	}
	wg.Wait()
}

// An answer may take longer than a question, and who waits for one does not give way.
func TestWhoHasAskedIsAnswered(t *testing.T) {
	asked, held := make(chan struct{}), make(chan struct{})
	address := serve(t, func(ctx context.Context, user, _ string) (Identity, error) {
		if user == "alice" {
			close(asked)
			select {
			case <-held:
			case <-ctx.Done():
				return Identity{}, ctx.Err()
			}
		}
		return Identity{"id", user}, nil
	})
	first := say(t, address, whole("alice", "x"))
	<-asked
	for range 2 * maxWaiting {
		say(t, address, "POST ")
	}
	if got := code(say(t, address, whole("bob", "x"))); got != 200 {
		t.Errorf("another is answered with %d", got)
	}
	time.AfterFunc(askLimit+askLimit/2, func() { close(held) })
	if got := code(first); got != 200 {
		t.Errorf("the first is answered with %d", got)
	}
}

// Of more than so many at once some are told that nobody can say, and the others get their answers.
func TestTooManyAtOnce(t *testing.T) {
	held := make(chan struct{})
	address := serve(t, func(context.Context, string, string) (Identity, error) {
		<-held
		return Identity{"id", "x"}, nil
	})
	const more = 20
	var refused atomic.Int32
	codes := make(chan int, maxQuestions+more)
	for i := range maxQuestions + more {
		body := fmt.Sprintf(`{"user":"user%d","password":"x","source":"%[1]d"}`, i)
		c := say(t, address, request(body))
		go func() {
			got := code(c)
			if got == http.StatusServiceUnavailable && refused.Add(1) == more {
				close(held)
			}
			codes <- got
		}()
	}
	count := map[int]int{}
	for range maxQuestions + more {
		select {
		case got := <-codes:
			count[got]++
		case <-time.After(answerLimit):
			t.Fatalf("there are answers %v only", count)
		}
	}
	if count[200] != maxQuestions || count[503] != more {
		t.Errorf("the answers are %v", count)
	}
}
