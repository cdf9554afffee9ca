package skeleton

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/format"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const clone = "../../.."

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// made is a new module's files.
func made(t *testing.T, sdk SDK) map[string]string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "greeter")
	if err := Write(dir, "greeter", sdk); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(b)
	}
	return files
}

func TestAModuleFromAClone(t *testing.T) {
	sdk, err := At(clone)
	if err != nil || !sdk.Complete() {
		t.Fatalf("%+v, %v", sdk, err)
	}
	files := made(t, sdk)
	if len(files) != 4 {
		t.Errorf("there are %d files", len(files))
	}
	for _, name := range []string{"main.go", "main_test.go"} {
		formatted, err := format.Source([]byte(files[name]))
		if err != nil || !bytes.Equal(formatted, []byte(files[name])) {
			t.Errorf("%s is not as gofmt has it: %v", name, err)
		}
		for line := range strings.Lines(files[name]) {
			if len(line) > 121 {
				t.Errorf("%s: a line of %d: %s", name, len(line), line)
			}
		}
	}
	if !strings.Contains(files["main.go"], `Name: "greeter"`) || strings.Contains(files["main.go"], "{{") {
		t.Errorf("main.go does not bear the name:\n%s", files["main.go"])
	}
	sums, err := os.ReadFile(filepath.Join(clone, "go.sum"))
	if err != nil || files["go.sum"] != string(sums) {
		t.Errorf("go.sum is not the SDK's: %v", err)
	}
	abs, err := filepath.Abs(clone)
	if err != nil || !strings.HasSuffix(files["go.mod"], "\nreplace "+SDKPath+" => "+abs+"\n") {
		t.Errorf("go.mod does not end with its replacement: %v\n%s", err, files["go.mod"])
	}
}

func TestAModuleOfAPublishedVersion(t *testing.T) {
	for _, c := range []struct{ built, required string }{
		{"v1.2.3", "v1.2.3"},
		{"v0.0.0-20261127010203-0e014aa00000+dirty", "v0.0.0-20261127010203-0e014aa00000"},
		{"(devel)", Unversioned},
		{"", Unversioned},
	} {
		sdk := Published(c.built)
		if sdk.Complete() || sdk.Version != c.required {
			t.Errorf("%q: %+v", c.built, sdk)
		}
		files := made(t, sdk)
		if mod := files["go.mod"]; len(files) != 3 || !strings.HasSuffix(mod, "\nrequire "+SDKPath+" "+c.required+"\n") {
			t.Errorf("%q: %d files, go.mod:\n%s", c.built, len(files), mod)
		}
	}
}

// Every library that the SDK and the test of a module are made of stands in go.mod, or Go would ask for a tidy-up.
func TestTheLibrariesOfTheSDKAreKnown(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "-json=Module", "./sdk/sdktest")
	cmd.Dir = clone
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	linked := map[string]bool{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct{ Module *struct{ Path string } }
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if p.Module != nil && p.Module.Path != SDKPath {
			linked[p.Module.Path] = true
		}
	}
	for path := range linked {
		if !slices.Contains(libraries, path) {
			t.Errorf("the SDK links %s, which a new module does not require", path)
		}
	}
	if len(linked) < 8 {
		t.Errorf("only %d libraries are linked: the test looks in the wrong place", len(linked))
	}
}

func TestNothingIsTouchedThatIsThere(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "greeter", "main.go"), "mine")
	write(t, filepath.Join(dir, "file"), "mine")
	for _, name := range []string{"greeter", "file"} {
		if err := Write(filepath.Join(dir, name), "greeter", Published("v1.0.0")); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, "greeter", "main.go")); err != nil || string(b) != "mine" {
		t.Errorf("main.go is %q, %v", b, err)
	}
	if err := Write(filepath.Join(dir, "file", "greeter"), "greeter", Published("v1.0.0")); err == nil || errors.Is(err, fs.ErrExist) {
		t.Errorf("below a file: %v", err)
	}
}

func TestWhatIsNotTheSDK(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "other", "go.mod"), "module example.org/other\n")
	write(t, filepath.Join(dir, "bare", "go.mod"), "module "+SDKPath+" // no more\n")
	write(t, filepath.Join(dir, "garbage", "go.mod"), "((((\n)\nmodule a b c\n")
	for name, want := range map[string]string{
		"": "no go.mod", "nowhere": "no go.mod", "other": "module example.org/other", "bare": "no directory sdk", "garbage": "of module ",
	} {
		if _, err := At(filepath.Join(dir, name)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", name, err, want)
		}
	}
}

func TestACloneIsFoundAroundAProgram(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "clone", "go.mod"), "// a comment\n\nmodule "+SDKPath+"\n\ngo 1.26.0\n")
	write(t, filepath.Join(dir, "clone", "tools", "go.mod"), "module example.org/tools\n")
	for program, want := range map[string]string{
		"clone/culvert": "clone", "clone/bin/culvert": "clone", "clone/tools/bin/culvert": "clone", "elsewhere/culvert": "",
	} {
		got, ok := Around(filepath.Join(dir, program))
		if ok != (want != "") || ok && got != filepath.Join(dir, want) {
			t.Errorf("%s: %q, %v", program, got, ok)
		}
	}
}

func TestDirectoriesInGoMod(t *testing.T) {
	for dir, want := range map[string]string{
		"": "", "/work/culvert-1.0": "/work/culvert-1.0", "/home/Jo Doe/sdk": `"/home/Jo Doe/sdk"`, `/a"b`: `"/a\"b"`, "/a\nb": `"/a\nb"`, "/ä//x": `"/ä//x"`,
	} {
		if got := quote(dir); got != want {
			t.Errorf("%q becomes %s", dir, got)
		}
	}
}
