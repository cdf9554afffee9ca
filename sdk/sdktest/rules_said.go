package sdktest

import (
	"encoding/json"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// The rules of what a module says of itself.

// describes: what a module says of itself is within the rules and always the same, for the operator accepts it once.
func describes(t testing.TB, s subject) {
	t.Helper()
	p, err := s.open(t)
	if err != nil {
		fail(t, "start it by hand with --describe to see what it says", "the module cannot be asked what it is: %v", err)
		return
	}
	var former []byte
	for range 3 {
		d, err := p.Describe()
		if err != nil {
			fail(t, "the message names the field of the settings struct, or the method, that is wrong", "Describe fails: %v", err)
			return
		}
		if err := tunnel.CheckDescription(d).Err(); err != nil {
			fail(t, "the host refuses the module for it; the message says what is allowed", "Describe breaks the rules: %v", err)
		}
		text, _ := json.Marshal(d)
		if former != nil && string(text) != string(former) {
			fail(t, "return constants; what depends on settings or time belongs into Run", "Describe says now %s\nand then %s", former, text)
			return
		}
		former = text
	}
}

// hasSoundSchema: the settings can be shown and checked, and a default fits its own field.
func hasSoundSchema(t testing.TB, s subject) {
	t.Helper()
	d, ok := description(t, s)
	if !ok {
		return
	}
	if err := settings.CheckSchema(d.Schema); err != nil {
		fail(t, "let the SDK derive it from the settings struct", "the settings' schema is not sound: %v", err)
		return
	}
	for _, f := range settings.Check(d.Schema, settings.WithDefaults(d.Schema, json.RawMessage("{}"))) {
		if f.Code != tunnel.Required {
			fail(t, "change the field's tag default, or the limits beside it", "the defaults do not fit the settings they are for: %s", f.Message)
		}
	}
}

// takesSettings: the document of the test fits the schema, so that the rules that follow judge the module.
func takesSettings(t testing.TB, s subject) {
	t.Helper()
	d, ok := description(t, s)
	if !ok || settings.CheckSchema(d.Schema) != nil {
		return
	}
	if err := settings.Check(d.Schema, json.RawMessage(s.settings)).Err(); err != nil {
		fail(t, "pass a document that fits, such as `{\"site\":{\"server\":\"pbx@site.example.org\"}}`, as the last argument",
			"the module cannot be tried with the settings %s: %v", s.settings, err)
	}
}

func description(t testing.TB, s subject) (d tunnel.Description, ok bool) {
	t.Helper()
	p, err := s.open(t)
	if err == nil {
		d, err = p.Describe()
	}
	if err != nil {
		t.Logf("not judged: %v", err)
	}
	return d, err == nil
}
