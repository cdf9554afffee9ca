package sdktest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/culvert-pbx/culvert/sdk"
	"github.com/culvert-pbx/culvert/sdk/sdktest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// TestMain is the test binary in its two roles: the process of a module, and the tests.
func TestMain(m *testing.M) {
	if wire.Started(os.Getenv) {
		sdktest.ServeModel()
		return
	}
	goleak.VerifyTestMain(m)
}

type settings struct {
	Site sdk.Site   `json:"site" slots:"ldap,smb,status"`
	Base string     `json:"base" required:"true"`
	Bind sdk.Secret `json:"bind"`
}

var (
	ldap   = sdk.Slot{Name: "ldap", Kinds: []tunnel.Kind{tunnel.Reach}, Spec: ":636", On: true}
	smb    = sdk.Slot{Name: "smb", Kinds: []tunnel.Kind{tunnel.Reach}, Spec: ":445"}
	status = sdk.Slot{Name: "status", Kinds: []tunnel.Kind{tunnel.Expose}, Spec: ":8080", On: true}
)

// module is the author's; each test gives it its Run.
type module struct {
	run func(ctx context.Context, in *sdk.Instance[settings]) error
}

func (module) Describe() sdk.Description {
	return sdk.Description{Name: "adsync", Version: "1", Slots: []sdk.Slot{ldap, smb, status}, Policy: tunnel.Anything}
}

func (m module) Run(ctx context.Context, in *sdk.Instance[settings]) error { return m.run(ctx, in) }

const (
	withSite = `{"base":"dc=corp","bind":"secret","site":{"server":"tunnel@site.example","login":"password","password":"canary"}}`
	noSite   = `{"base":"dc=corp"}`
)

var ref = tunnel.Ref{Owner: "adsync", Name: "default.site"}

// asking declares the site's tunnel and then does f until its context ends or f fails.
func asking(f func(ctx context.Context, in *sdk.Instance[settings]) error) module {
	return module{func(ctx context.Context, in *sdk.Instance[settings]) error {
		if err := in.Declare(ctx, in.Settings.Site.Tunnel()); err != nil {
			return err
		}
		if err := f(ctx, in); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	}}
}

func nothing(context.Context, *sdk.Instance[settings]) error { return nil }

// greet serves "hello NAME".
func greet(c net.Conn) {
	name, _ := bufio.NewReader(c).ReadString('\n')
	fmt.Fprintf(c, "hello %s", name)
}

// ask dials and has itself greeted.
func ask(ctx context.Context, in *sdk.Instance[settings], mapping sdk.MappingRef) (string, error) {
	c, err := in.Dial(ctx, mapping)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if _, err := io.WriteString(c, "adsync\n"); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(c)
	return string(answer), err
}

// eventually waits, in a synctest bubble, until the tunnel's state is want.
func eventually(t *testing.T, w *sdktest.World, want tunnel.State) {
	t.Helper()
	synctest.Wait()
	v, err := w.As("tapi").Get(t.Context(), ref)
	if err != nil || v.Status.State != want {
		t.Fatalf("the tunnel is %s (%s), %v; want %s", v.Status.State, v.Status.Reason, err, want)
	}
}

func TestAModuleReachesItsSite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := make(chan string, 1)
		w := sdktest.Run(t, asking(func(ctx context.Context, in *sdk.Instance[settings]) error {
			answer, err := ask(ctx, in, in.Settings.Site.Mapping(ldap))
			answers <- answer
			return err
		}), withSite)
		eventually(t, w, tunnel.Connecting) // nothing is at the site yet, and Dial waits
		w.Serve("site/ldap", greet)
		if got := <-answers; got != "hello adsync\n" {
			t.Errorf("the site answers %q", got)
		}
		eventually(t, w, tunnel.Up)
		if err := w.Stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestSettingsAreCheckedAndGivenAsTheHostDoes(t *testing.T) {
	given := make(chan settings, 1)
	w := sdktest.Run(t, module{func(_ context.Context, in *sdk.Instance[settings]) error {
		given <- in.Settings
		return nil
	}}, withSite)
	if s := <-given; s.Base != "dc=corp" || s.Bind.Reveal() != "secret" || s.Site.Server != "tunnel@site.example" {
		t.Errorf("it got %+v", s)
	}
	err := w.Reconfigure(`{"base":5,"unknown":1}`)
	var fs tunnel.Findings
	if !errors.As(err, &fs) || len(fs) < 2 {
		t.Errorf("wrong settings are %v", err)
	}
	if err := w.Reconfigure(`{"base":"dc=other","bind":"***"}`); err != nil {
		t.Fatal(err)
	}
	if s := <-given; s.Base != "dc=other" || s.Bind.Reveal() != "secret" {
		t.Errorf("it got %+v", s) // *** is the secret that is set
	}
}

func TestFaultsAreWhatTheRealHostSays(t *testing.T) {
	for _, c := range []struct {
		name   string
		fault  sdktest.Fault
		state  tunnel.State
		reason tunnel.Reason // of Dial's error; "" where Dial waits
	}{
		{"cut", sdktest.Cut, tunnel.Waiting, ""},
		{"frozen", sdktest.Freeze, tunnel.Up, ""},
		{"wrong key", sdktest.WrongKey, tunnel.Blocked, tunnel.HostKeyMismatch},
		{"login refused", sdktest.Deny(tunnel.LoginRefused), tunnel.Blocked, tunnel.LoginRefused},
		{"target refused", sdktest.Deny(tunnel.TargetRefused), tunnel.Degraded, tunnel.TargetRefused},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dial := make(chan context.Context)
				ended := make(chan error)
				w := sdktest.Run(t, asking(func(ctx context.Context, in *sdk.Instance[settings]) error {
					for {
						select {
						case d := <-dial:
							_, err := ask(d, in, in.Settings.Site.Mapping(ldap))
							ended <- err
						case <-ctx.Done():
							return ctx.Err()
						}
					}
				}), withSite)
				w.Serve("site/ldap", greet)
				w.Fault("site", c.fault)
				eventually(t, w, c.state)
				v, err := w.As("tapi").Get(t.Context(), ref)
				link, target := v.Status.Link, v.Status.Mapping("ldap").Target
				if err != nil || (link.State == tunnel.Up) != c.state.Linked() || (target.Reason == c.reason) != (c.state == tunnel.Degraded || c.reason == "") {
					t.Errorf("the link is %+v and the target %+v, %v", link, target, err)
				}

				short, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				dial <- short
				err = <-ended
				var st *tunnel.StatusError
				switch errors.As(err, &st) {
				case true:
					if st.Reason != c.reason || st.Ref != ref {
						t.Errorf("dialling fails with %v", err)
					}
				case false:
					if c.reason != "" || !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("dialling ends with %v", err)
					}
				}

				dial <- t.Context()
				if c.reason == "" {
					synctest.Wait() // it waits
					w.Heal("site")
				}
				if err := <-ended; (err == nil) != (c.reason == "") {
					t.Errorf("after the fault dialling ends with %v", err)
				}
				w.Heal("site")
				eventually(t, w, tunnel.Up)
			})
		})
	}
}

// open holds one connection and reports how reading from it ends.
func open(ends chan error) func(context.Context, *sdk.Instance[settings]) error {
	return func(ctx context.Context, in *sdk.Instance[settings]) error {
		c, err := in.Dial(ctx, in.Settings.Site.Mapping(ldap))
		if err != nil {
			return err
		}
		defer c.Close()
		stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Now()) })
		defer stop()
		_, err = c.Read(make([]byte, 1))
		ends <- err
		return nil
	}
}

func TestOpenConnectionsFeelAFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ends := make(chan error, 1)
		w := sdktest.Run(t, asking(open(ends)), withSite)
		w.Serve("site/ldap", func(c net.Conn) {
			time.Sleep(time.Minute)
			_, _ = c.Write([]byte("x"))
		})
		synctest.Wait()
		w.Fault("site", sdktest.Freeze)
		time.Sleep(time.Hour)
		select {
		case err := <-ends:
			t.Errorf("through a frozen link it reads %v", err)
		default:
		}
		w.Fault("site", sdktest.Cut)
		if err := <-ends; !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("after the cut it reads %v", err)
		}
	})
}

func TestASiteReachesTheModule(t *testing.T) {
	w := sdktest.Run(t, asking(func(ctx context.Context, in *sdk.Instance[settings]) error {
		l, err := in.Listen(in.Settings.Site.Mapping(status))
		if err != nil {
			return err
		}
		if _, err := in.Listen(in.Settings.Site.Mapping(status)); !errors.Is(err, tunnel.ErrExists) {
			t.Errorf("listening twice is %v", err)
		}
		if _, err := in.Listen(in.Settings.Site.Mapping(ldap)); !errors.Is(err, tunnel.ErrInvalid) {
			t.Errorf("listening for a reach mapping is %v", err)
		}
		var serving sync.WaitGroup
		defer serving.Wait()
		serving.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				greet(c)
				_ = c.Close()
			}
		})
		<-ctx.Done()
		return l.Close()
	}), withSite)
	for range 3 {
		c, err := w.Connect("site/status")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, "prometheus\n")
		if got, err := io.ReadAll(c); string(got) != "hello prometheus\n" {
			t.Errorf("the module answers %q, %v", got, err)
		}
		_ = c.Close()
	}
	if err := w.Stop(); err != nil {
		t.Error(err)
	}
}

func TestWithoutALinkTheSiteIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sdktest.Run(t, asking(func(_ context.Context, in *sdk.Instance[settings]) error {
			_, err := in.Listen(in.Settings.Site.Mapping(status))
			return err
		}), withSite)
		for _, f := range []sdktest.Fault{sdktest.Cut, sdktest.WrongKey, sdktest.Deny(tunnel.LoginRefused)} {
			w.Fault("site", f)
			if _, err := w.Connect("site/status"); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("through no link it is %v", err)
			}
		}
		w.Heal("site")
		c, err := w.Connect("site/status")
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
	})
}

func TestASlowSite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		took := make(chan time.Duration, 1)
		w := sdktest.Run(t, asking(func(ctx context.Context, in *sdk.Instance[settings]) error {
			begin := time.Now()
			_, err := ask(ctx, in, in.Settings.Site.Mapping(ldap))
			took <- time.Since(begin)
			return err
		}), withSite)
		w.Fault("site", sdktest.Slow(time.Second))
		w.Serve("site/ldap", greet)
		if d := <-took; d != 2*time.Second { // a question and an answer
			t.Errorf("it took %v", d)
		}
	})
}

func TestNobodyListens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sdktest.Run(t, asking(nothing), withSite)
		if _, err := w.Connect("site/status"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("connecting is %v", err)
		}
	})
}

func TestOthersAreRefusedAndSeen(t *testing.T) {
	seen := make(chan tunnel.Ref, 100)
	w := sdktest.Run(t, asking(func(ctx context.Context, in *sdk.Instance[settings]) error {
		for c, err := range in.Watch(ctx) {
			if err != nil {
				return err
			}
			seen <- c.Tunnel.Ref
		}
		return nil
	}), withSite)
	err := w.As("tapi").Declare(t.Context(), "default", []tunnel.Declaration{{Ref: ref, Settings: "site"}})
	if !errors.Is(err, tunnel.ErrNotOwner) {
		t.Errorf("another module's attempt is %v", err)
	}
	server, _ := tunnel.ParseServer("tunnel@other.example")
	office := tunnel.Ref{Owner: tunnel.Operator, Name: "office"}
	if err := w.AddTunnel(tunnel.Tunnel{Ref: office, Server: server}); err != nil {
		t.Fatal(err)
	}
	for got := range seen {
		if got == office {
			break
		}
	}
}

func TestOperatorsTunnelsOfTheModuleAreDialledByName(t *testing.T) {
	answers := make(chan string, 1)
	dial := make(chan bool)
	w := sdktest.Run(t, asking(func(ctx context.Context, in *sdk.Instance[settings]) error {
		<-dial
		answer, err := ask(ctx, in, sdk.MappingOf("office", "web"))
		answers <- answer
		return err
	}), noSite)
	server, _ := tunnel.ParseServer("tunnel@other.example")
	m, _ := tunnel.ParseMapping(tunnel.Reach, "web=:80")
	if err := w.AddTunnel(tunnel.Tunnel{Ref: tunnel.Ref{Owner: "adsync", Name: "office"}, Server: server, Mappings: []tunnel.Mapping{m}}); err != nil {
		t.Fatal(err)
	}
	w.Serve("office/web", greet)
	dial <- true
	if got := <-answers; got != "hello adsync\n" {
		t.Errorf("it answers %q", got)
	}
}

// What a module can ask of its own tunnels and mappings, and of those of others, at any time.
func TestHowAMappingIsNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type now struct {
			mapping tunnel.MappingStatus
			tunnel  tunnel.View
			err     error
		}
		asked, answers := make(chan sdk.Slot), make(chan now)
		w := sdktest.Run(t, asking(func(ctx context.Context, in *sdk.Instance[settings]) error {
			for s := range asked {
				m, err := in.Mapping(ctx, in.Settings.Site.Mapping(s))
				v, wrong := in.Get(ctx, in.Ref(in.Settings.Site))
				answers <- now{m, v, errors.Join(err, wrong)}
			}
			return nil
		}), withSite)
		defer close(asked)
		ask := func(s sdk.Slot) now { asked <- s; return <-answers }
		w.Serve("site/ldap", greet)
		synctest.Wait()
		if got := ask(ldap); got.err != nil || got.mapping.State != sdk.Up || got.tunnel.Ref != ref {
			t.Errorf("all is well, and it is %+v", got)
		}
		w.Fault("site", sdktest.WrongKey)
		synctest.Wait()
		if got := ask(ldap); got.err != nil || got.mapping.State != sdk.Down || got.mapping.Reason != tunnel.HostKeyMismatch || got.tunnel.Status.State != sdk.Blocked {
			t.Errorf("with another host key it is %+v", got)
		}
		if got := ask(smb); !errors.Is(got.err, tunnel.ErrNotFound) {
			t.Errorf("a mapping whose slot is off is %+v", got)
		}
	})
}

func TestDialOfWhatIsOff(t *testing.T) {
	ended := make(chan error)
	dial := make(chan sdk.MappingRef)
	w := sdktest.Run(t, asking(func(ctx context.Context, in *sdk.Instance[settings]) error {
		for m := range dial {
			_, err := ask(ctx, in, m)
			ended <- err
		}
		return nil
	}), withSite)
	defer close(dial)
	for _, m := range []sdk.MappingRef{sdk.MappingOf("site", "smb"), sdk.MappingOf("site", "nothing"), sdk.MappingOf("elsewhere", "ldap")} { // smb's slot is off
		dial <- m
		if err := <-ended; !errors.Is(err, tunnel.ErrNotFound) {
			t.Errorf("dialling %s is %v", m, err)
		}
	}
	if err := w.Suspend(ref, true); err != nil {
		t.Fatal(err)
	}
	dial <- sdk.MappingOf("site", "ldap")
	var st *tunnel.StatusError
	if err := <-ended; !errors.As(err, &st) || st.State != tunnel.Disabled {
		t.Errorf("dialling a suspended tunnel is %v", err)
	}
}

func TestStopReturnsWhatRunReturned(t *testing.T) {
	boom := errors.New("boom")
	began := make(chan bool, 2)
	w := sdktest.Run(t, module{func(context.Context, *sdk.Instance[settings]) error {
		began <- true
		return fmt.Errorf("sync: %w", boom)
	}}, noSite)
	<-began
	if err := w.Restart(); !errors.Is(err, boom) {
		t.Errorf("Restart returns %v", err)
	}
	<-began
	for range 2 {
		if err := w.Stop(); !errors.Is(err, boom) {
			t.Errorf("Stop returns %v", err)
		}
	}
}

func TestSettingsWithoutASiteDeclareNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sdktest.Run(t, asking(nothing), noSite)
		synctest.Wait()
		for v := range w.As(tunnel.Operator).List(t.Context()) {
			t.Errorf("there is %s", v.Ref)
		}
		if err := w.Reconfigure(withSite); err != nil {
			t.Fatal(err)
		}
		eventually(t, w, tunnel.Connecting)
	})
}

// recording notes what a test would have failed with.
type recording struct {
	testing.TB
	mu     sync.Mutex
	errors []string
	ended  []func()
}

func (r *recording) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func (r *recording) Cleanup(f func()) { r.ended = append(r.ended, f) }

func TestALeakFailsTheTest(t *testing.T) {
	for _, c := range []struct {
		name string
		run  func(stop chan bool) func(context.Context, *sdk.Instance[settings]) error
		want string
	}{
		{"goroutine", func(stop chan bool) func(context.Context, *sdk.Instance[settings]) error {
			return func(context.Context, *sdk.Instance[settings]) error {
				go func() { <-stop }()
				return nil
			}
		}, "left goroutines behind"},
		{"connection", func(chan bool) func(context.Context, *sdk.Instance[settings]) error {
			return func(ctx context.Context, in *sdk.Instance[settings]) error {
				_, err := in.Dial(ctx, in.Settings.Site.Mapping(ldap))
				return err
			}
		}, "left a connection of site/ldap open"},
		{"deaf", func(stop chan bool) func(context.Context, *sdk.Instance[settings]) error {
			return func(context.Context, *sdk.Instance[settings]) error {
				<-stop
				return nil
			}
		}, "Run has not returned 5s after its context ended"},
		{"clean", func(chan bool) func(context.Context, *sdk.Instance[settings]) error { return nothing }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stop := make(chan bool)
				r := &recording{TB: t}
				w := sdktest.Run(r, asking(c.run(stop)), withSite)
				w.Serve("site/ldap", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
				synctest.Wait()
				_ = w.Stop()
				close(stop)
				for _, f := range r.ended {
					f()
				}
				if got := strings.Join(r.errors, "\n"); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
					t.Errorf("it fails with %q, want %q", got, c.want)
				}
			})
		})
	}
}
