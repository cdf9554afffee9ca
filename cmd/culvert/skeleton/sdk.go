package skeleton

import (
	"fmt"
	"go/version"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// Installed is where packages put the SDK.
const Installed = "/usr/share/culvert/sdk"

// SDK is where a new module has the SDK from.
type SDK struct {
	Dir     string // a directory, "" where it comes from the network
	Version string // what go.mod requires; with Dir it does not matter

	goLine string
	needs  []string
	sums   []byte // of all the SDK requires, nil where they are not known
}

// Complete reports whether a module that is written with it builds as it is. Else `go mod tidy` comes first.
func (s SDK) Complete() bool { return s.sums != nil }

// Unversioned is what a module requires of a culvert that was built without a version: nothing is published under it.
const Unversioned = "v0.0.0"

// Published is the SDK of that version, as the build of a program records it, from the network.
func Published(version string) SDK {
	version, _, _ = strings.Cut(version, "+") // what a build from a changed tree adds
	if !strings.HasPrefix(version, "v") {
		version = Unversioned
	}
	return SDK{Version: version, goLine: language()}
}

// language is the version of Go this program was built with, as a go line has it.
func language() string { return strings.TrimPrefix(version.Lang(runtime.Version()), "go") }

// At is the SDK in a directory: a clone of this repository, or the part of it that packages install. What is wrong with
// the directory is a sentence that names it.
func At(dir string) (SDK, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return SDK{}, err
	}
	mod, err := readModule(dir)
	switch {
	case notThere(err):
		return SDK{}, fmt.Errorf("%s is not the SDK: it has no go.mod", dir)
	case err != nil:
		return SDK{}, err
	case mod.path != SDKPath:
		return SDK{}, fmt.Errorf("%s is not the SDK: its go.mod is of module %s", dir, mod.path)
	case !isDir(filepath.Join(dir, "sdk")):
		return SDK{}, fmt.Errorf("%s is not the SDK: it has no directory sdk", dir)
	}
	sums, err := os.ReadFile(filepath.Join(dir, "go.sum"))
	if err != nil && !notThere(err) {
		return SDK{}, err
	}
	return SDK{Dir: dir, Version: Unversioned, goLine: mod.goLine, needs: mod.needs(), sums: sums}, nil
}

// Around is the clone that the program at path stands in: the nearest directory above it that is one. ok is false where
// none is.
func Around(path string) (dir string, ok bool) {
	for dir = filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if mod, err := readModule(dir); err == nil && mod.path == SDKPath {
			return dir, true
		}
		if dir == filepath.Dir(dir) {
			return "", false
		}
	}
}

// goMod is what is read of a go.mod.
type goMod struct {
	path, goLine string
	requires     []string // "PATH VERSION" each
}

// libraries are the modules whose packages a module built with the SDK is made of, its test included. They stand in its
// go.mod, or Go would have it tidied first.
var libraries = []string{
	"github.com/fatih/color", "github.com/golang/protobuf", "github.com/hashicorp/go-hclog", "github.com/hashicorp/go-plugin",
	"github.com/hashicorp/yamux", "github.com/mattn/go-colorable", "github.com/mattn/go-isatty", "github.com/oklog/run",
	"github.com/santhosh-tekuri/jsonschema/v6", "golang.org/x/net", "golang.org/x/sys", "golang.org/x/text",
	"google.golang.org/genproto/googleapis/rpc", "google.golang.org/grpc", "google.golang.org/protobuf",
}

// needs are the requirements that are among the libraries.
func (m goMod) needs() (needs []string) {
	for _, r := range m.requires {
		if path, _, _ := strings.Cut(r, " "); slices.Contains(libraries, path) {
			needs = append(needs, r)
		}
	}
	slices.Sort(needs)
	return needs
}

// readModule reads the go.mod of a directory: one as the go command writes it, so a line each and no quotes.
func readModule(dir string) (m goMod, err error) {
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return m, err
	}
	block := ""
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "//")
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case words[0] == ")":
			block = ""
		case words[len(words)-1] == "(":
			block = words[0]
		case block != "":
			m.take(block, words)
		default:
			m.take(words[0], words[1:])
		}
	}
	return m, nil
}

func (m *goMod) take(verb string, words []string) {
	switch {
	case verb == "module" && len(words) == 1:
		m.path = words[0]
	case verb == "go" && len(words) == 1:
		m.goLine = words[0]
	case verb == "require" && len(words) == 2:
		m.requires = append(m.requires, strings.Join(words, " "))
	}
}
