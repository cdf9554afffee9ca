package settings

import (
	"encoding/json"
	"testing"
)

// A finding about one value of a list says which, wherever it comes from.
func TestFindingsNameThePlaceInAList(t *testing.T) {
	type phone struct {
		Number string   `json:"number" pattern:"^[0-9]+$" required:"true"`
		Ring   Duration `json:"ring" max:"1m"`
		Lines  []int    `json:"lines" max:"9"`
		Exts   []string `json:"exts" minlen:"1"`
	}
	schema := schemaOf[struct {
		Phones []phone `json:"phones"`
		Ports  []int   `json:"ports" min:"1"`
		Group  struct {
			Words []string `json:"words" maxlen:"3"`
		} `json:"group"`
	}](t)
	for doc, want := range map[string]string{
		`{"phones":[{"number":"1"},{"number":"2"},{"number":"x"}]}`: "phones[2].number",
		`{"phones":[{"number":"1"},{}]}`:                            "phones[1].number",
		`{"phones":[{"number":"1","exts":[""]}]}`:                   "phones[0].exts[0]",
		`{"phones":[{"number":"1","nmber":"1"}]}`:                   "phones[0].nmber",
		`{"phones":[{"number":"1"},{"number":"1","ring":"2m"}]}`:    "phones[1].ring",
		`{"phones":[{"number":"1","ring":"soon"}]}`:                 "phones[0].ring",
		`{"phones":[{"number":"1","lines":[1,2,10]}]}`:              "phones[0].lines[2]",
		`{"phones":[{"number":"1","lines":[1.0]}]}`:                 "phones[0].lines[0]",
		`{"phones":[{"number":"1","number":"2"}]}`:                  "phones[0].number",
		`{"ports":[1,0]}`:                  "ports[1]",
		`{"ports":[1,"2"]}`:                "ports[1]",
		`{"group":{"words":["a","long"]}}`: "group.words[1]",
	} {
		fs := Check(schema, json.RawMessage(doc))
		if len(fs) != 1 || fs[0].Field != want {
			t.Errorf("%s: %+v, want one about %s", doc, fs, want)
		}
	}
	for key, values := range map[string][2]string{"ports": {"1,2,x", "ports[2]"}, "ports[]": {"x", "ports[0]"}, "phones": {`[{"number":`, "phones"}} {
		if _, fs := SetValue(schema, nil, key, values[0]); len(fs) != 1 || fs[0].Field != values[1] {
			t.Errorf("%s=%s: %+v, want one about %s", key, values[0], fs, values[1])
		}
	}
}
