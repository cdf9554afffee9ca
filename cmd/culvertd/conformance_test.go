package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/sdktest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// settingsOf are what each module is tried with, as far as it needs more than none.
var settingsOf = map[string]string{
	"examples/notify":    `{"url":"http://127.0.0.1:9/token","authorization":"Bearer token","after":1}`,
	"plugins/monitoring": `{"site":{"server":"pbx@site.example.org"}}`,
}

// grantsOf are what the operator grants each, as far as it asks for any.
var grantsOf = map[string]tunnel.Grant{"examples/notify": "network"}

// Every module of this repository conforms as it is built, over the real wire and in the real sandbox. A new one is found by
// itself.
func TestBuiltModulesConform(t *testing.T) {
	if err := buildAll(); err != nil {
		t.Fatal(err)
	}
	names := modules(t)
	for name := range settingsOf {
		if _, err := os.Stat(filepath.Join("../..", name)); err != nil {
			t.Errorf("there are settings for %s, which is not there", name)
		}
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			bin := filepath.Join(t.TempDir(), filepath.Base(name))
			cmd := exec.Command("go", "build", "-o", bin, "./"+name)
			cmd.Dir = "../.."
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("build %s: %v\n%s", name, err, out)
			}
			with := []sdktest.Option{sdktest.Confined(filepath.Join(binDir, "culvertd"))}
			if doc := settingsOf[name]; doc != "" {
				with = append(with, sdktest.Settings(doc))
			}
			if g := grantsOf[name]; g != "" {
				with = append(with, sdktest.Grant(g))
			}
			sdktest.ConformanceBinary(t, bin, with...)
		})
	}
}

// modules are the folders of all modules.
func modules(t *testing.T) (names []string) {
	t.Helper()
	for _, in := range []string{"plugins", "examples"} {
		found, err := filepath.Glob(filepath.Join("../..", in, "*", "main.go"))
		if err != nil || len(found) == 0 {
			t.Fatalf("no module is in %s, %v", in, err)
		}
		for _, path := range found {
			names = append(names, filepath.Join(in, filepath.Base(filepath.Dir(path))))
		}
	}
	return names
}
