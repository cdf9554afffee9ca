package sdk_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk"
	"github.com/culvert-pbx/culvert/sdk/sdktest"
)

// run is sdktest.Run without a test: what would fail one is printed, where the example's output does not have it. The
// module is stopped by end.
func run[S any](m sdk.Module[S], settings string, with ...sdktest.Option) (w *sdktest.World, end func()) {
	t := &noTest{}
	return sdktest.Run(t, m, settings, with...), t.end
}

// noTest is the test of an example.
type noTest struct {
	testing.TB // its unexported methods; of the others only those below are called
	cleanups   []func()
}

func (*noTest) Helper()    {}
func (*noTest) Log(...any) {}

func (*noTest) Errorf(format string, args ...any) { fmt.Printf(format+"\n", args...) }

func (t *noTest) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func (*noTest) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

func (t *noTest) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

func (t *noTest) TempDir() string {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (t *noTest) end() {
	for len(t.cleanups) > 0 {
		last := len(t.cleanups) - 1
		f := t.cleanups[last]
		t.cleanups = t.cleanups[:last]
		f()
	}
}

// showLog prints what the module has logged as soon as it has logged text.
func showLog(w *sdktest.World, text string) {
	for end := time.Now().Add(20 * time.Second); !strings.Contains(w.Log(), text) && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	fmt.Print(w.Log())
}
