// Package skeleton writes the beginning of a module: a directory with a program that compiles, does something and has a
// test, outside this repository, as an author has it.
//
// `culvert module new` calls [Write]. It promises that what it wrote builds and passes its test as it is, without a network
// where the SDK's own libraries are in Go's module cache; that an existing directory is never touched; and that nothing
// stays behind where it fails.
package skeleton

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

// SDKPath is the module path of the SDK, which is that of this repository.
const SDKPath = "github.com/culvert-pbx/culvert"

// Path is the module path of a module of that name.
func Path(name string) string { return "example.org/" + name }

//go:embed *.tmpl
var files embed.FS

var templates = template.Must(template.ParseFS(files, "*.tmpl"))

// page is what the templates are filled with.
type page struct {
	Name, Path       string
	SDKPath, Version string
	Go               string   // the go line
	Needs            []string // what the SDK requires, "PATH VERSION" each
	Replace          string   // the SDK's directory, as go.mod writes it; "" where it comes from the network
}

// Write makes the directory dir with the module called name in it. The error is fs.ErrExist where dir is there already.
func Write(dir, name string, sdk SDK) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	err := fill(dir, page{
		Name: name, Path: Path(name), SDKPath: SDKPath, Version: sdk.Version, Go: sdk.goLine, Needs: sdk.needs, Replace: quote(sdk.Dir),
	})
	if err == nil && sdk.sums != nil {
		err = os.WriteFile(filepath.Join(dir, "go.sum"), sdk.sums, 0o644)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir)) // which this call made
	}
	return nil
}

func fill(dir string, p page) error {
	for _, t := range templates.Templates() {
		var b strings.Builder
		if err := t.Execute(&b, p); err != nil {
			return err
		}
		name := filepath.Join(dir, strings.TrimSuffix(t.Name(), ".tmpl"))
		if err := os.WriteFile(name, []byte(b.String()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// quote is a directory as go.mod writes it.
func quote(dir string) string {
	plain := func(r rune) bool {
		return r < 0x80 && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+@", r))
	}
	if dir == "" || strings.TrimFunc(dir, plain) == "" {
		return dir
	}
	return fmt.Sprintf("%q", dir)
}

// isDir reports whether there is a directory.
func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// notThere reports whether err says that something is not there, rather than that it cannot be read.
func notThere(err error) bool { return errors.Is(err, fs.ErrNotExist) }
