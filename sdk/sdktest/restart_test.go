package sdktest_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/culvert-pbx/culvert/sdk"
	"github.com/culvert-pbx/culvert/sdk/sdktest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// holding holds a connection through ldap and a watch, and says how each ended; it is asked to start by no one.
func holding(reads, watches chan<- error) module {
	return asking(func(ctx context.Context, in *sdk.Instance[settings]) error {
		go func() {
			for _, err := range in.Watch(ctx) {
				if err != nil {
					watches <- err
				}
			}
		}()
		c, err := in.Dial(ctx, in.Settings.Site.Mapping(ldap))
		if err != nil {
			return err
		}
		defer c.Close()
		defer context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Now()) })()
		_, err = c.Read(make([]byte, 1))
		reads <- err
		<-ctx.Done()
		return ctx.Err()
	})
}

func mute(c net.Conn) { _, _ = c.Read(make([]byte, 1)) }

func TestTheHostRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads, watches := make(chan error, 2), make(chan error, 2)
		w := sdktest.Run(t, holding(reads, watches), withSite)
		w.Serve("site/ldap", mute)
		synctest.Wait()
		if err := w.RestartHost(); err != nil {
			t.Errorf("Run returned %v", err)
		}
		if err := <-watches; !errors.Is(err, wire.ErrGone) {
			t.Errorf("the watch ended with %v", err)
		}
		if err := <-reads; !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the connection ended with %v", err)
		}
		eventually(t, w, tunnel.Up)
		if err := w.Stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestARestartKeepsTheDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sdktest.Run(t, asking(func(_ context.Context, in *sdk.Instance[settings]) error {
			path := filepath.Join(in.Dir, "runs")
			old, _ := os.ReadFile(path)
			in.Log.Info("so far", "runs", string(old))
			return os.WriteFile(path, append(old, 'x'), 0o600)
		}), withSite)
		synctest.Wait()
		_ = w.Restart()
		synctest.Wait()
		_ = w.RestartHost()
		synctest.Wait()
		if !strings.Contains(w.Log(), "runs=xx\n") {
			t.Errorf("it logs %s", w.Log())
		}
	})
}

// When the host is gone, a process has less time than when it is stopped.
func TestAHostThatIsGoneWaitsLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recording{TB: t}
		w := sdktest.Run(r, module{func(ctx context.Context, _ *sdk.Instance[settings]) error {
			<-ctx.Done()
			time.Sleep(wire.EndGrace + 500*time.Millisecond)
			return nil
		}}, withSite)
		synctest.Wait()
		_ = w.Restart()
		if len(r.errors) > 0 {
			t.Errorf("a restart fails with %q", r.errors)
		}
		synctest.Wait()
		_ = w.RestartHost()
		if len(r.errors) != 1 || !strings.Contains(r.errors[0], "Run has not returned 2s") {
			t.Errorf("it fails with %q", r.errors)
		}
		for _, f := range r.ended {
			f()
		}
	})
}

func TestARevokedConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads, watches := make(chan error, 2), make(chan error, 2)
		w := sdktest.Run(t, holding(reads, watches), withSite)
		w.Serve("site/ldap", mute)
		synctest.Wait()
		if err := w.Disable(); err != nil {
			t.Errorf("Run returned %v", err)
		}
		if err := <-reads; err == nil {
			t.Error("it reads from a tunnel that is down")
		}
		eventually(t, w, tunnel.Inactive)
		w.Enable()
		eventually(t, w, tunnel.Up)
		if err := w.Remove(); err != nil {
			t.Errorf("Run returned %v", err)
		}
		if _, err := w.As(tunnel.Operator).Get(t.Context(), ref); !errors.Is(err, tunnel.ErrNotFound) {
			t.Errorf("its tunnel is still there, %v", err)
		}
	})
}

func TestAWatchThatFellBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var types []tunnel.ChangeType
		w := sdktest.Run(t, asking(func(ctx context.Context, in *sdk.Instance[settings]) error {
			for c, err := range in.Watch(ctx) {
				if err != nil {
					return err
				}
				types = append(types, c.Type)
			}
			return nil
		}), withSite)
		synctest.Wait()
		types = nil
		w.FallBehind()
		synctest.Wait()
		if len(types) != 3 || types[0] != tunnel.Resync || types[1] != tunnel.Present || types[2] != tunnel.Synced {
			t.Errorf("it gets %v", types)
		}
	})
}
