package settings

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// limits has one of each limit.
type limits struct {
	Every  Duration          `json:"every" min:"10s" max:"24h" default:"1h30m"`
	Any    Duration          `json:"any"`
	Spans  []Duration        `json:"spans" min:"1s"`
	Area   string            `json:"area" pattern:"^[1-9][0-9]*$" minlen:"2" maxlen:"5"`
	Pin    string            `json:"pin" minlen:"4"`
	Levels []string          `json:"levels" enum:"info,warn,error" minitems:"1" maxitems:"2" default:"warn"`
	Ports  []int             `json:"ports" min:"1" max:"65535"`
	Names  map[string]string `json:"names" maxlen:"3"`
	Other  string            `json:"other" bson:"x" validate:"y"`
}

func TestLimits(t *testing.T) {
	schema := schemaOf[limits](t)
	for doc, want := range map[string][]string{
		`{"every":"10s","any":"0s","spans":["1s","1h"],"area":"721","pin":"1234","levels":["info","error"],"ports":[1,65535],"names":{"a":"abc"}}`: nil,
		`{"every":"24h0m0s"}`:                nil,
		`{"every":"9.999s"}`:                 {"out-of-range every 9.999s"},
		`{"every":"24h1ns"}`:                 {"out-of-range every 24h1ns"},
		`{"every":"90"}`:                     {"malformed every 90"},
		`{"every":90}`:                       {"malformed every 90"},
		`{"every":""}`:                       {"malformed every"},
		`{"any":"-1s"}`:                      {"out-of-range any -1s"},
		`{"any":"9999999999h"}`:              {"malformed any 9999999999h"},
		`{"spans":["1s","1ms"]}`:             {"out-of-range spans[1] 1ms"},
		`{"area":"0721"}`:                    {"malformed area 0721"},
		`{"area":"7"}`:                       {"malformed area 7"},
		`{"pin":"123"}`:                      {"malformed pin 123"},
		`{"levels":[]}`:                      {"malformed levels"},
		`{"levels":["info","warn","error"]}`: {"too-long levels"},
		`{"levels":["debug"]}`:               {"malformed levels[0] debug"},
		`{"ports":[80,0]}`:                   {"out-of-range ports[1] 0"},
		`{"names":{"a":"abcd"}}`:             {"too-long names.a abcd"},
		`{"every":"1s","area":"x","pin":""}`: {"malformed area x", "malformed area x", "out-of-range every 1s", "malformed pin"},
	} {
		t.Run(doc, func(t *testing.T) { expect(t, Check(schema, json.RawMessage(doc)), want...) })
	}
	f := Check(schema, json.RawMessage(`{"every":"1s"}`))[0]
	if f.Message != "every is too short" || f.WayOut != "give at least 10s" {
		t.Errorf("said %q, %q", f.Message, f.WayOut)
	}
}

func TestDurationsInStructs(t *testing.T) {
	var s limits
	if err := json.Unmarshal(WithDefaults(schemaOf[limits](t), json.RawMessage(`{"any":"90s"}`)), &s); err != nil {
		t.Fatal(err)
	}
	if s.Every.D() != 90*time.Minute || s.Any.D() != 90*time.Second {
		t.Errorf("read %v and %v", s.Every, s.Any)
	}
	for d, want := range map[time.Duration]string{time.Hour: "1h", 90 * time.Minute: "1h30m", 10 * time.Minute: "10m", 61 * time.Second: "1m1s", 0: "0s", 10 * time.Second: "10s", 1500 * time.Millisecond: "1.5s", 20 * time.Hour: "20h"} {
		if got := Duration(d).String(); got != want {
			t.Errorf("%v is written %s, want %s", d, got, want)
		}
	}
}

func TestElements(t *testing.T) {
	schema := schemaOf[limits](t)
	doc := json.RawMessage(`{"ports":[80,81]}`)
	for assignment, want := range map[string]string{
		"ports[0]=8080":  `{"ports":[8080,81]}`,
		"ports[1]=8080":  `{"ports":[80,8080]}`,
		"ports[2]=82":    `{"ports":[80,81,82]}`,
		"ports[]=82":     `{"ports":[80,81,82]}`,
		"levels[]=error": `{"ports":[80,81],"levels":["warn","error"]}`, // behind its default
		"spans[]=5s":     `{"ports":[80,81],"spans":["5s"]}`,
	} {
		got, fs := Set(schema, doc, assignment)
		expect(t, fs)
		same(t, got, want)
	}
	for key, want := range map[string]string{"ports[0]": `{"ports":[81]}`, "ports[1]": `{"ports":[80]}`, "levels[0]": `{"ports":[80,81],"levels":[]}`} {
		got, fs := Unset(schema, doc, key)
		expect(t, fs)
		same(t, got, want)
	}
	for assignment, want := range map[string]string{
		"ports[3]=1":   "out-of-range ports[3] 3",
		"ports[-1]=1":  "out-of-range ports[-1] -1",
		"ports[01]=1":  "out-of-range ports[01] 01",
		"ports[x]=1":   "out-of-range ports[x] x",
		"ports[0]=x":   "malformed ports[0] x",
		"area[0]=x":    "malformed area[0] 0",
		"names[a]=x":   "malformed names[a] a",
		"prots[0]=1":   "unknown-key prots prots",
		"ports[0].a=1": "unknown-key ports[0] ports[0]",
	} {
		_, fs := Set(schema, doc, assignment)
		t.Run(assignment, func(t *testing.T) { expect(t, fs, want) })
	}
	_, fs := Unset(schema, doc, "ports[2]")
	expect(t, fs, "not-found ports[2]")
	same(t, doc, `{"ports":[80,81]}`)
}

// What a module had in another version can be taken out, whatever it is.
func TestUnsetOfAnUnknownKey(t *testing.T) {
	schema := schemaOf[limits](t)
	got, fs := Unset(schema, json.RawMessage(`{"area":"721","old":{"a":1,"b":2}}`), "old.a")
	expect(t, fs)
	same(t, got, `{"area":"721","old":{"b":2}}`)
	got, fs = Unset(schema, got, "old")
	expect(t, fs)
	same(t, got, `{"area":"721"}`)
	_, fs = Unset(schema, got, "old")
	expect(t, fs, "unknown-key old old")
}

func TestUnknownKeysAreGuessed(t *testing.T) {
	schema := schemaOf[full](t)
	for key, want := range map[string]string{
		"prot": "did you mean port?", "site.sevrer": "did you mean site.server?", "branches.x.bas": "did you mean branches.x.base?",
		"site.slots.dc3.on": "did you mean site.slots.dc1?", "telephone": "there are site,",
	} {
		_, fs := Set(schema, nil, key+"=1")
		if len(fs) != 1 || !strings.HasPrefix(fs[0].WayOut, want) {
			t.Errorf("%s: %v, want %q", key, fs, want)
		}
	}
	if fs := Check(schema, json.RawMessage(`{"base":"b","extra":{"token":"t"},"prot":1}`)); len(fs) != 1 || !strings.HasPrefix(fs[0].WayOut, "did you mean port?") {
		t.Errorf("in a document: %v", fs)
	}
}

func TestDefaults(t *testing.T) {
	var got []string
	for _, d := range Defaults(schemaOf[full](t), json.RawMessage(`{"port":1,"extra":{}}`)) {
		got = append(got, d.Key+"="+string(d.Value))
	}
	if want := `on=true security="ldaps" groups=["a","b"] extra.count=3`; strings.Join(got, " ") != want {
		t.Errorf("got %q, want %s", got, want)
	}
}

// FuzzElements: whatever is assigned, what passes the check decodes into the struct.
func FuzzElements(f *testing.F) {
	schema := schemaOf[limits](f)
	for _, s := range []string{"ports[]=1", "ports[0]=1", "levels[1]=info", "spans[]=1h", "every=1h", "names.a=b", "ports[0][0]=1", "[]=1", "ports[=1", "a]=1", "ports[\x1b]=1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		doc, fs := Set(schema, json.RawMessage(`{"ports":[80],"levels":["info"]}`), s)
		says(t, fs)
		if len(fs) > 0 {
			return
		}
		if fs = Check(schema, doc); len(fs) > 0 {
			says(t, fs)
			return
		}
		var v limits
		if err := json.Unmarshal(WithDefaults(schema, doc), &v); err != nil {
			t.Errorf("%s passes and does not decode: %v", doc, err)
		}
	})
}

// A schema comes from a plugin: what it says in a finding cannot drive a terminal.
func TestFindingsOfHostileSchemas(t *testing.T) {
	schema := json.RawMessage(`{"type":"object","additionalProperties":false,"properties":{"a":{"type":"string","pattern":"^\u001b[2]J$"},"b":{"type":"string","enum":["\u001b[2J"]}}}`)
	if fs := Check(schema, json.RawMessage(`{"a":"x","b":"x"}`)); len(says(t, fs)) != 2 {
		t.Errorf("got %v", fs)
	}
}
