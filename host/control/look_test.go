package control_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/host/control/controltest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// unsafeDirectory is a daemon with the module hello, and a configuration of it, whose plugin directory nobody can use any
// more. beside are the warnings that came beside answers.
func unsafeDirectory(t *testing.T) (d *controltest.Daemon, c *control.Client, beside *[]string) {
	t.Helper()
	d, c = start(t)
	d.Unsafe = errors.New("the plugin directory /ü belongs to user 5:\nno")
	beside = &[]string{}
	c.Warn = func(w string) { *beside = append(*beside, w) }
	return d, c, beside
}

// With a plugin directory that cannot be used everything works that needs no other binary, and says so.
func TestUnsafeDirectoryIsAWarning(t *testing.T) {
	_, c, beside := unsafeDirectory(t)
	ctx, ref := t.Context(), tunnel.ConfigurationRef{Module: "hello", Name: "default"}
	inBody := func(out control.ConfigurationDetail, err error) ([]string, error) { return out.Warnings, err }
	for name, call := range map[string]func() ([]string, error){
		"list":    func() ([]string, error) { _, err := c.Configurations(ctx); return *beside, err },
		"modules": func() ([]string, error) { _, err := c.Modules(ctx); return *beside, err },
		"module":  func() ([]string, error) { _, err := c.Module(ctx, "hello"); return *beside, err },
		"show":    func() ([]string, error) { return inBody(c.Configuration(ctx, ref)) },
		"enable":  func() ([]string, error) { return inBody(c.EnableConfiguration(ctx, ref, true)) },
		"disable": func() ([]string, error) { return inBody(c.EnableConfiguration(ctx, ref, false)) },
		"set":     func() ([]string, error) { return inBody(c.SetConfiguration(ctx, ref, control.ConfigurationEdit{})) },
		"add": func() ([]string, error) {
			return inBody(c.AddConfiguration(ctx, control.NewConfiguration{Module: "hello", Name: "more"}))
		},
	} {
		*beside = nil
		warnings, err := call()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !slices.ContainsFunc(warnings, func(w string) bool { return strings.Contains(w, "/ü belongs to user 5") }) || len(warnings) != 1 {
			t.Errorf("%s: warnings %q", name, warnings)
		}
	}
	*beside = nil
	if err := c.RemoveConfiguration(ctx, ref, false); err != nil || len(*beside) != 1 {
		t.Errorf("remove: %v, warnings %q", err, *beside)
	}
}

// What would have to start another binary is refused, with the directory as the reason.
func TestUnsafeDirectoryRefusesWhatNeedsIt(t *testing.T) {
	_, c, _ := unsafeDirectory(t)
	_, accept := c.AcceptModule(t.Context(), "hello", false)
	_, add := c.AddConfiguration(t.Context(), control.NewConfiguration{Module: "unknown", Name: "default"})
	for name, err := range map[string]error{"accept": accept, "restart": c.RestartModule(t.Context(), "hello"), "add": add} {
		var e *control.Error
		if !errors.As(err, &e) || e.Status != http.StatusConflict || e.Code != string(tunnel.BinaryUnsafe) || e.Hint == "" || !strings.Contains(e.Message, "belongs to user 5") {
			t.Errorf("%s: %+v", name, err)
		}
	}
}
