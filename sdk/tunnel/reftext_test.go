package tunnel

import (
	"encoding/json"
	"testing"
)

func TestRefIsOneWordInJSON(t *testing.T) {
	for _, c := range []struct {
		ref  Ref
		text string
	}{
		{Ref{"adsync", "berlin.site"}, `"adsync/berlin.site"`},
		{Ref{Operator, "office"}, `"operator/office"`},
		{Ref{}, `""`},
	} {
		got, err := json.Marshal(c.ref)
		if err != nil || string(got) != c.text {
			t.Errorf("%v is %s, %v; want %s", c.ref, got, err, c.text)
		}
		var back Ref
		if err := json.Unmarshal(got, &back); err != nil || back != c.ref {
			t.Errorf("%s reads as %v, %v", got, back, err)
		}
	}
	var r Ref
	if err := json.Unmarshal([]byte(`"no ref"`), &r); err == nil {
		t.Error("a text that is no ref is taken as one")
	}
}

func TestConfigurationRefIsOneWordInJSON(t *testing.T) {
	got, err := json.Marshal(ConfigurationRef{"adsync", "berlin"})
	if err != nil || string(got) != `"adsync/berlin"` {
		t.Errorf("it is %s, %v", got, err)
	}
	var back ConfigurationRef
	if err := json.Unmarshal(got, &back); err != nil || back != (ConfigurationRef{"adsync", "berlin"}) {
		t.Errorf("it reads as %v, %v", back, err)
	}
}
