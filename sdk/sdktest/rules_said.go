package sdktest

import (
	"encoding/json"

	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// The rules of what a module says of itself.

// describes: what a module says of itself is within the rules and always the same, for the operator accepts it once.
func describes(b *bench, s subject) (j judgement) {
	b.Helper()
	b.where = "Describe"
	p, err := s.open(b)
	if err != nil {
		b.fail("start it by hand with --describe to see what it says", "the module cannot be asked what it is: %v", err)
		return j
	}
	var former []byte
	for range 3 {
		d, err := p.Describe()
		if err != nil {
			b.fail("the message names the field of the settings struct, or the method, that is wrong", "Describe fails: %v", err)
			return j
		}
		if err := tunnel.CheckDescription(d).Err(); err != nil {
			b.fail("the host refuses the module for it; the message says what is allowed", "Describe breaks the rules: %v", err)
		}
		text, _ := json.Marshal(d)
		if former != nil && string(text) != string(former) {
			b.fail("return constants; what depends on settings or time belongs into Run", "Describe says now %s\nand then %s", former, text)
			return j
		}
		former = text
	}
	return j
}

// hasSoundSchema: the settings can be shown and checked, and a default fits its own field.
func hasSoundSchema(b *bench, s subject) (j judgement) {
	b.Helper()
	d, err := s.describe(b)
	if err != nil {
		return notJudged("%v", err)
	}
	b.where = "the settings struct of " + d.Name
	if err := settings.CheckModule(d); err != nil {
		b.fail("let the SDK derive it from the settings struct, and name slots of the module in its tags", "the settings' schema is not sound: %v", err)
		return j
	}
	for _, f := range settings.Check(d.Schema, settings.WithDefaults(d.Schema, json.RawMessage("{}"))) {
		if f.Code != tunnel.Required {
			b.fail("change the field's tag default, or the limits beside it", "the defaults do not fit the settings they are for: %s", f.Message)
		}
	}
	return j
}

// takesSettings: the document of the test fits the schema, so that the rules that follow judge the module.
func takesSettings(b *bench, s subject) (j judgement) {
	b.Helper()
	d, err := s.describe(b)
	if err == nil {
		err = settings.CheckSchema(d.Schema)
	}
	if err != nil {
		return notJudged("%v", err)
	}
	b.where = "the settings " + shown(d.Schema, s.settings)
	if err := settings.Check(d.Schema, json.RawMessage(s.settings)).Err(); err != nil {
		b.fail("give Conformance a document that fits: sdktest.Settings(`{\"site\":{\"server\":\"pbx@site.example.org\"}}`)",
			"the module cannot be tried with the settings %s: %v", shown(d.Schema, s.settings), err)
	}
	return j
}

// describe is what the module says of itself.
func (s subject) describe(b *bench) (tunnel.Description, error) {
	if s.said != nil {
		return s.said()
	}
	p, err := s.open(b)
	if err != nil {
		return tunnel.Description{}, err
	}
	return p.Describe()
}

// shown is a document without its secrets.
func shown(schema json.RawMessage, doc string) string {
	if settings.CheckSchema(schema) != nil {
		return doc
	}
	return string(settings.Redact(schema, json.RawMessage(doc)))
}
