// Command prober is a module of the tests: its test tries what connections over a tunnel must be able to do, and its run
// answers those of the site that come to it.
package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/culvert-pbx/culvert/sdk"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func main() { sdk.Serve(prober{}) }

type prober struct{}

type settings struct {
	Site sdk.Site `json:"site" slots:"hash,web,inbound"`
	Down bool     `json:"down" help:"the tunnel is not up: what Dial does then is tried"`
}

var slots = []sdk.Slot{
	{Name: "hash", Kinds: []tunnel.Kind{tunnel.Reach}, Spec: ":1"},
	{Name: "web", Kinds: []tunnel.Kind{tunnel.Reach}, Spec: ":80"},
	{Name: "inbound", Kinds: []tunnel.Kind{tunnel.Expose}, Spec: ":2"},
}

func (prober) Describe() sdk.Description {
	return sdk.Description{Name: "prober", Version: "1.0.0", Slots: slots}
}

// Run answers each connection of the site with the count and SHA-256 of what it sent before it ended its direction; one
// that says nothing for a while is told so.
func (prober) Run(ctx context.Context, in *sdk.Instance[settings]) error {
	if err := in.Declare(ctx, in.Settings.Site.Tunnel()); err != nil {
		return err
	}
	l, err := in.Listen(in.Settings.Site.Mapping(slots[2]))
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	var open sync.WaitGroup
	defer open.Wait()
	for {
		c, err := l.Accept()
		if err != nil {
			return ctx.Err()
		}
		open.Go(func() {
			defer c.Close()
			_ = c.SetReadDeadline(time.Now().Add(3 * time.Second))
			h := sha256.New()
			n, err := io.Copy(h, c)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				fmt.Fprint(c, "late")
				return
			}
			fmt.Fprintf(c, "%d %x", n, h.Sum(nil))
		})
	}
}

var _ sdk.Tester[settings] = prober{}

func (prober) Test(_ context.Context, in *sdk.Instance[settings], t *sdk.Steps) {
	p := probe{in}
	if in.Settings.Down {
		t.Do("patience", p.patience)
		t.Do("cancel", p.cancel)
		return
	}
	t.Do("half-close", p.halfClose)
	t.Do("deadline", p.deadline)
	t.Do("many", p.many)
	t.Do("http", p.http)
	t.Do("http timeout", p.httpTimeout)
	t.Do("cancelled before", p.cancelledBefore)
}

type probe struct{ in *sdk.Instance[settings] }

// halfClose sends more than any buffer holds, ends its direction and reads what is said after that end.
func (p probe) halfClose(ctx context.Context) (string, error) { return "", p.exchange(ctx, 5<<20) }

func (p probe) exchange(ctx context.Context, n int) error {
	c, err := p.in.Dial(ctx, p.in.Settings.Site.Mapping(slots[0]))
	if err != nil {
		return err
	}
	defer c.Close()
	return exchange(c, n)
}

func exchange(c net.Conn, n int) error {
	if err := c.SetDeadline(time.Now().Add(15 * time.Second)); err != nil {
		return err
	}
	text := strings.Repeat("culvert\n", n/8)
	if _, err := io.WriteString(c, text); err != nil {
		return err
	}
	half, ok := c.(interface{ CloseWrite() error })
	if !ok {
		return fmt.Errorf("%T has no CloseWrite", c)
	}
	if err := half.CloseWrite(); err != nil {
		return err
	}
	got, err := io.ReadAll(c)
	if want := fmt.Sprintf("%d %x", len(text), sha256.Sum256([]byte(text))); err == nil && string(got) != want {
		err = fmt.Errorf("answered %q, not %q", got, want)
	}
	return err
}

// deadline waits in vain for an answer to nothing; the connection goes on afterwards.
func (p probe) deadline(ctx context.Context) (string, error) {
	c, err := p.in.Dial(ctx, p.in.Settings.Site.Mapping(slots[0]))
	if err != nil {
		return "", err
	}
	defer c.Close()
	for _, wait := range []time.Duration{0, 200 * time.Millisecond} {
		began := time.Now()
		if err := c.SetReadDeadline(began.Add(wait)); err != nil {
			return "", err
		}
		_, err = c.Read(make([]byte, 1))
		var timeout net.Error
		if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() || time.Since(began) < wait {
			return "", fmt.Errorf("a read that may take %v ends after %v with %v", wait, time.Since(began), err)
		}
	}
	return "", exchange(c, 8)
}

func (p probe) many(ctx context.Context) (string, error) {
	const n = 50 // the host lets 64 wait for a mapping at a time
	return fmt.Sprint(n, " connections"), together(n, func(int) error { return p.exchange(ctx, 64<<10) })
}

// together does the same n times at once and returns what went wrong.
func together(n int, f func(int) error) error {
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs[i] = f(i) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// http keeps connections open for further requests, as a client does that is used for long.
func (p probe) http(context.Context) (string, error) {
	t := &http.Transport{DialContext: p.in.DialFunc(p.in.Settings.Site.Mapping(slots[1])), MaxConnsPerHost: 5}
	defer t.CloseIdleConnections()
	c := &http.Client{Transport: t, Timeout: 15 * time.Second}
	return "", together(50, func(i int) error { return get(c, fmt.Sprint("/", i)) })
}

func get(c *http.Client, path string) error {
	res, err := c.Get("http://crm.corp.example" + path)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if want := "crm.corp.example" + path; err == nil && string(got) != want {
		err = fmt.Errorf("answered %q, not %q", got, want)
	}
	return err
}

// httpTimeout gives up a request that is not answered, and makes the next one.
func (p probe) httpTimeout(context.Context) (string, error) {
	t := &http.Transport{DialContext: p.in.DialFunc(p.in.Settings.Site.Mapping(slots[1]))}
	defer t.CloseIdleConnections()
	c := &http.Client{Transport: t, Timeout: 300 * time.Millisecond}
	var timeout net.Error
	if err := get(c, "/silent"); !errors.As(err, &timeout) || !timeout.Timeout() {
		return "", fmt.Errorf("a request without an answer ends with %v", err)
	}
	c.Timeout = 15 * time.Second
	return "", get(c, "/next")
}

func (p probe) cancelledBefore(ctx context.Context) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return "", wants(ctx, p, context.Canceled)
}

// patience waits for a tunnel that comes up again, as long as its context lasts.
func (p probe) patience(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	return "", wants(ctx, p, context.DeadlineExceeded)
}

// cancel gives up while many dial.
func (p probe) cancel(ctx context.Context) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	time.AfterFunc(500*time.Millisecond, cancel)
	return "", together(20, func(int) error { return wants(ctx, p, context.Canceled) })
}

// wants dials and sees that it ends with its context, and with that error.
func wants(ctx context.Context, p probe, want error) error {
	c, err := p.in.Dial(ctx, p.in.Settings.Site.Mapping(slots[0]))
	if err == nil {
		return errors.Join(errors.New("it is connected"), c.Close())
	}
	if !errors.Is(err, want) {
		return fmt.Errorf("it ends with %v, not %v", err, want)
	}
	if at, ok := ctx.Deadline(); ok && time.Since(at) > 2*time.Second {
		return fmt.Errorf("it ends %v after its context", time.Since(at))
	}
	return nil
}
