package settings

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/schedule"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

type timetable struct {
	Sync  schedule.Schedule            `json:"sync" title:"When" default:"every 1h" min:"5m"`
	Other map[string]schedule.Schedule `json:"other" min:"1m"`
	Group struct {
		Name string `json:"name" required:"true" help:"a name"`
	} `json:"group"`
}

func TestSchedulesAreChecked(t *testing.T) {
	schema, err := Schema(reflect.TypeFor[timetable]())
	if err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]tunnel.Code{
		"every 5m": "", "every 1h30m": "", "daily 03:30": "", "off": "",
		"every 4m59s": tunnel.OutOfRange, "every 1s": tunnel.Malformed, "often": tunnel.Malformed, "": tunnel.Malformed, "daily 25:00": tunnel.Malformed,
	} {
		doc, fs := SetValue(schema, json.RawMessage(`{"group":{"name":"x"}}`), "sync", value)
		if len(fs) == 0 {
			fs = Check(schema, doc)
		}
		if (len(fs) == 0) != (want == "") || len(fs) > 0 && (fs[0].Code != want || fs[0].Field != "sync" || fs[0].WayOut == "") {
			t.Errorf("%q: %v", value, fs)
		}
	}
	fs := Check(schema, json.RawMessage(`{"group":{"name":"x"},"other":{"a":"every 30s","b":"daily 01:00"}}`))
	if len(fs) != 1 || fs[0].Field != "other.a" || !strings.Contains(fs[0].WayOut, "1m") {
		t.Errorf("in a map: %v", fs)
	}
	var got timetable
	if err := json.Unmarshal(WithDefaults(schema, nil), &got); err != nil || got.Sync.String() != "every 1h" {
		t.Errorf("%v, %v", got, err)
	}
}

func TestMistakesInTagsOfSchedules(t *testing.T) {
	for want, v := range map[string]any{
		"min of a duration": struct {
			S schedule.Schedule `json:"s" min:"often"`
		}{},
		"max is for numbers": struct {
			S schedule.Schedule `json:"s" max:"1h"`
		}{},
		"maxlen is for strings": struct {
			S schedule.Schedule `json:"s" maxlen:"5"`
		}{},
		"is not a schedule": struct {
			S schedule.Schedule `json:"s" default:"often"`
		}{},
	} {
		if _, err := Schema(reflect.TypeOf(v)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if err := CheckSchema(json.RawMessage(`{"type":"object","additionalProperties":false,"properties":{"s":{"type":"integer","x-culvert":"schedule"}}}`)); err == nil {
		t.Error("a schedule may be a number")
	}
}

func TestFieldsSayWhatThereIsToGive(t *testing.T) {
	schema, err := Schema(reflect.TypeFor[timetable]())
	if err != nil {
		t.Fatal(err)
	}
	want := []Field{
		{Key: "sync", Type: "schedule", Title: "When", Default: json.RawMessage(`"every 1h"`)},
		{Key: "other", Type: "object"},
		{Key: "group.name", Type: "string", Help: "a name", Required: true},
	}
	if got := Fields(schema); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	if got := Fields(json.RawMessage(`[]`)); got != nil {
		t.Errorf("of no schema: %+v", got)
	}
	if HasSites(schema) {
		t.Error("it has a site")
	}
}
