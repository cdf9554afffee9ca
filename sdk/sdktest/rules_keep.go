package sdktest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// The rules of what a module keeps, and keeps to itself.

// keepsToItsDirectory: the working directory and HOME are not for a module to write in.
func keepsToItsDirectory(b *bench, s subject) judgement {
	b.Helper()
	here, home := b.TempDir(), b.TempDir()
	b.Chdir(here)
	b.Setenv("HOME", home)
	for _, name := range []string{"XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"} {
		b.Setenv(name, "")
	}
	j := running(func(*trial) (j judgement) { return j })(b, s)
	for _, dir := range []string{here, home} {
		for _, path := range filesIn(dir) {
			b.fail("keep files in Instance.Dir, which stays; the sandbox allows nothing else", "Run wrote %s outside its directory", path)
		}
	}
	return j
}

func filesIn(dir string) (paths []string) {
	_ = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if rel, _ := filepath.Rel(dir, path); err == nil && rel != "." {
			paths = append(paths, rel)
		}
		return nil
	})
	return paths
}

// keepsSecrets: whatever happens, no secret of the settings shows in the log, in an error or in a test.
func keepsSecrets(b *bench, s subject) (j judgement) {
	b.Helper()
	d, err := s.describe(b)
	if err != nil {
		return notJudged("%v", err)
	}
	s.settings = string(withCanaries(d.Schema, json.RawMessage(s.settings)))
	tr, j := s.prepare(b)
	if tr == nil {
		return j
	}
	if len(tr.secrets()) == 0 {
		return notApplicable("the settings hold no secret of the module's own")
	}
	tr.c.start()
	tr.settle()
	for _, f := range []Fault{Cut, WrongKey, targetRefused} {
		tr.fault(f)
		tr.settle()
		tr.heal()
		tr.settle()
	}
	steps := tr.test(b.Context()).steps
	var acts []string
	for _, k := range works(d) {
		tr.idle(k)
		acts = append(acts, fmt.Sprint(tr.ask(b.Context(), k, k.dryRun).Acted))
	}
	acts = append(acts, fmt.Sprint(tr.o.Metrics()))
	tr.c.stop()
	for path, secret := range tr.secrets() {
		tr.hidden(path, secret, "log", tr.w.Log())
		tr.hidden(path, secret, "error that Run returns", fmt.Sprint(tr.o.ended()))
		tr.hidden(path, secret, "test", fmt.Sprint(steps))
		tr.hidden(path, secret, "result of an action or job, or in what is measured", strings.Join(acts, "\n"))
	}
	return j
}

// secrets are the module's own, by setting: those of its sites it is not given.
func (tr *trial) secrets() map[string]string {
	_, all := settings.Part(tr.w.said.Schema, tr.c.given())
	own := map[string]string{}
	for path, secret := range all {
		if len(secret.Reveal()) >= 4 { // a shorter one shows by chance
			own[path] = secret.Reveal()
		}
	}
	return own
}

// hidden judges whether the secret shows in a text, as it is or as programs write such.
func (tr *trial) hidden(path, secret, where, text string) {
	tr.Helper()
	quoted, _ := json.Marshal(secret)
	for _, form := range []string{
		secret, strings.Trim(string(quoted), `"`), url.QueryEscape(secret), url.PathEscape(secret),
		base64.StdEncoding.EncodeToString([]byte(secret)), fmt.Sprintf("%x", secret),
	} {
		if !strings.Contains(text, form) {
			continue
		}
		i := strings.Index(text, form)
		line := text[strings.LastIndexByte(text[:i], '\n')+1 : i]
		tr.fail("keep it an sdk.Secret, which prints as ***, and use what Reveal returns only where it is needed",
			"the secret of setting %s shows in the %s: %s***", path, where, tunnel.Clean(line, 200))
		return
	}
}

// withCanaries is the document with a secret in each place for one, outside sites and maps, that has none.
func withCanaries(schema, doc json.RawMessage) json.RawMessage {
	var root struct{ Properties map[string]property }
	_ = json.Unmarshal(schema, &root)
	for _, path := range secretPaths(root.Properties, "") {
		if slices.Contains(settings.Secrets(schema, doc), path) {
			continue
		}
		with, fs := settings.SetValue(schema, doc, path, "canary of "+path)
		if len(fs) == 0 && len(settings.Check(schema, with)) == 0 {
			doc = with
		}
	}
	return doc
}

// property is what is looked for in a schema.
type property struct {
	Mark       string `json:"x-culvert"`
	Properties map[string]property
}

func secretPaths(in map[string]property, prefix string) (paths []string) {
	for _, key := range slices.Sorted(maps.Keys(in)) {
		switch p := in[key]; p.Mark {
		case string(settings.Secret):
			paths = append(paths, prefix+key)
		case "":
			paths = append(paths, secretPaths(p.Properties, prefix+key+".")...)
		}
	}
	return paths
}
