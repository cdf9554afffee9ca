package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/culvert-pbx/culvert/"

type pkg struct {
	ImportPath           string
	Imports, TestImports []string
	Deps                 []string
}

func (p pkg) name() string { return strings.TrimPrefix(p.ImportPath, module) }

// list asks the compiler, not the text: what every package of the tree imports and links.
func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports,TestImports,Deps", "./...")
	cmd.Dir = "../.."
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var all []pkg
	for d := json.NewDecoder(out); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(p.ImportPath, module) {
			all = append(all, p)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Fatalf("only %d packages found: the test looks in the wrong place", len(all))
	}
	return all
}

func within(name string, roots ...string) bool {
	return slices.ContainsFunc(roots, func(r string) bool { return name == r || strings.HasPrefix(name, r+"/") })
}

// own is where a module of several packages keeps them.
func own(pkg string) string {
	parts := strings.SplitN(pkg, "/", 3)
	return strings.Join(parts[:min(len(parts), 2)], "/") + "/internal"
}

// Folders import only leftwards: proto <- sdk <- store <- host <- cmd. Modules import the SDK alone, as an outsider would.
func TestFoldersImportOnlyLeftwards(t *testing.T) {
	order := []string{"proto", "sdk", "store", "host", "cmd"}
	for _, p := range list(t) {
		from := slices.Index(order, strings.Split(p.name(), "/")[0])
		outsider := within(p.name(), "plugins", "examples", "cmd/demo/intruder")
		for _, i := range p.Imports {
			name, ours := strings.CutPrefix(i, module)
			switch {
			case !ours:
			case outsider && !within(name, "sdk", "plugins/internal", own(p.name())):
				t.Errorf("%s imports %s: a module needs the SDK alone", p.name(), name)
			case !outsider && slices.Index(order, strings.Split(name, "/")[0]) > from:
				t.Errorf("%s imports %s: against the arrow", p.name(), name)
			case !outsider && within(name, "plugins", "examples"):
				t.Errorf("%s imports %s: modules are processes of their own", p.name(), name)
			}
		}
	}
}

// Sisters under host/ do not know each other; host.go joins them. retry is everyone's, and porttest every test's.
func TestSistersDoNotImportEachOther(t *testing.T) {
	for _, p := range list(t) {
		from, sister := strings.CutPrefix(p.name(), "host/")
		if !sister {
			continue
		}
		for _, i := range p.Imports {
			to, ours := strings.CutPrefix(i, module+"host/")
			if ours && strings.Split(from, "/")[0] != strings.Split(to, "/")[0] && to != "retry" && to != "porttest" {
				t.Errorf("host/%s imports host/%s", from, to)
			}
		}
	}
}

// Each library that shapes the product has few importers, named here.
func TestLibrariesHaveTheirImporters(t *testing.T) {
	importers := map[string][]string{
		"go.etcd.io/bbolt":                 {"store/boltstore"},
		"golang.org/x/crypto/ssh":          {"host/sshtunnel", "host/sshtunnel/sshtest"},
		"github.com/hashicorp/go-plugin":   {"sdk", "sdk/wire", "sdk/wire/wiretest", "host/pluginhost"},
		module + "proto/host/v1":           {"sdk/wire", "proto/plugin/v1"}, // a module tells findings, too
		module + "proto/plugin/v1":         {"sdk/wire"},
		"golang.org/x/crypto/ssh/agent":    {},
		"golang.org/x/crypto/ssh/terminal": {},
	}
	for _, p := range list(t) {
		if within(p.name(), "plugins") {
			continue
		}
		for _, i := range p.Imports {
			if allowed, ok := importers[i]; ok && !slices.Contains(allowed, p.name()) {
				t.Errorf("%s imports %s: only %v may", p.name(), i, allowed)
			}
		}
	}
}

// Nobody pays for what he does not use: neither the CLI's user nor a module's author.
func TestWhatIsNotLinked(t *testing.T) {
	heavy := map[string][]string{
		"cmd/culvert": {"go.etcd.io/bbolt", "github.com/hashicorp/go-plugin", "golang.org/x/crypto/ssh", "google.golang.org/grpc"},
		"sdk":         {"go.etcd.io/bbolt", "github.com/spf13/cobra", "golang.org/x/crypto/ssh"},
	}
	for _, p := range list(t) {
		for root, libs := range heavy {
			if !within(p.name(), root) {
				continue
			}
			for _, lib := range libs {
				if slices.Contains(p.Deps, lib) {
					t.Errorf("%s links %s", p.name(), lib)
				}
			}
		}
		if p.name() == "sdk/tunnel" {
			for _, d := range p.Deps {
				if strings.Contains(strings.Split(d, "/")[0], ".") && !strings.HasPrefix(d, module) {
					t.Errorf("sdk/tunnel links %s: the standard library only", d)
				}
			}
		}
	}
}
