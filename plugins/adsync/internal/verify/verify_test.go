package verify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// directory is where alice's password is "open sesame", bob is disabled, and nobody answers for carl.
func directory(asked *int) Ask {
	return func(_ context.Context, user, password string) (Identity, error) {
		*asked++
		switch {
		case user == "carl":
			return Identity{}, errors.New("dial: no route")
		case user == "bob":
			return Identity{}, &Refusal{"disabled", "the account is disabled"}
		case user == "alice" && password == "open sesame":
			return Identity{"id-1", "alice"}, nil
		}
		return Identity{}, &Refusal{"wrong", "user or password wrong"}
	}
}

func ask(h http.Handler, body string, edit ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:7389"+Path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for _, e := range edit {
		e(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		name, body string
		edit       func(*http.Request)
		code       int
		want       string
		asks       int
	}{
		{"right", `{"user":"alice","password":"open sesame"}`, nil, 200, `{"ok":true,"id":"id-1","login":"alice"}`, 1},
		{"wrong", `{"user":"alice","password":"x","source":"192.0.2.7"}`, nil, 401, `"reason":"wrong"`, 1},
		{"disabled", `{"user":"bob","password":"x"}`, nil, 401, `"reason":"disabled"`, 1},
		{"empty", `{"user":"alice","password":""}`, nil, 401, `"reason":"empty-password"`, 0},
		{"none", `{"user":"alice"}`, nil, 401, `"reason":"empty-password"`, 0},
		{"nobody can say", `{"user":"carl","password":"x"}`, nil, 503, `"reason":"unavailable"`, 1},
		{"no user", `{"password":"x"}`, nil, 400, `"reason":"malformed"`, 0},
		{"a long user", `{"user":"` + strings.Repeat("a", 257) + `","password":"x"}`, nil, 400, `"reason":"malformed"`, 0},
		{"a long body", `{"user":"a","password":"` + strings.Repeat("a", 5000) + `"}`, nil, 400, `"reason":"malformed"`, 0},
		{"two objects", `{"user":"a","password":"x"}{}`, nil, 400, `"reason":"malformed"`, 0},
		{"no JSON", `user=alice`, nil, 400, `"reason":"malformed"`, 0},
		{"something else in it", `{"user":"a","password":"x","admin":true}`, nil, 400, `"reason":"malformed"`, 0},
		{"by GET", ``, func(r *http.Request) { r.Method = http.MethodGet }, 405, "", 0},
		{"elsewhere", ``, func(r *http.Request) { r.URL.Path = "/" }, 404, "", 0},
		{"a browser's form", `{"user":"alice","password":"open sesame"}`, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 403, "", 0},
		{"another name of this machine", `{"user":"alice","password":"open sesame"}`, func(r *http.Request) { r.Host = "evil.example" }, 403, "", 0},
		{"a page of another", `{"user":"alice","password":"open sesame"}`, func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") }, 403, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			asked := 0
			edit := c.edit
			if edit == nil {
				edit = func(*http.Request) {}
			}
			w := ask(New(directory(&asked), 0, func(string) {}), c.body, edit)
			if w.Code != c.code || !strings.Contains(w.Body.String(), c.want) || asked != c.asks {
				t.Errorf("%d %s, the directory was asked %d times", w.Code, w.Body, asked)
			}
			if strings.Contains(w.Body.String(), "sesame") {
				t.Error("the answer repeats the password")
			}
		})
	}
}

// Who guesses is slowed down, others are not, and time heals it.
func TestWrongPasswordsAreSlowedDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		h := New(directory(&asked), 0, func(string) {})
		try := func(user, password, source string) int {
			return ask(h, fmt.Sprintf(`{"user":%q,"password":%q,"source":%q}`, user, password, source)).Code
		}
		for i := range burst {
			if code := try("Alice", "guess", "192.0.2.7"); code != 401 {
				t.Fatalf("guess %d is answered with %d", i, code)
			}
		}
		if code := try("alice", "open sesame", "192.0.2.7"); code != 429 || asked != burst {
			t.Errorf("the next is answered with %d, and %d were asked", code, asked)
		}
		if code := try("alice", "open sesame", "192.0.2.8"); code != 200 {
			t.Errorf("from elsewhere: %d", code)
		}
		if code := try("dora", "x", "192.0.2.7"); code != 401 {
			t.Errorf("another user: %d", code)
		}
		time.Sleep(refill)
		if code := try("alice", "open sesame", "192.0.2.7"); code != 200 {
			t.Errorf("a while later: %d", code)
		}
		for i := range burstUser + 10 { // from everywhere at once
			try("alice", "guess", fmt.Sprintf("192.0.2.%d", 100+i))
		}
		if code := try("alice", "open sesame", "192.0.2.9"); code != 429 {
			t.Errorf("guesses from everywhere are not slowed down: %d", code)
		}
	})
}

// A directory takes them all for one user, so they share one count.
func TestOneUserIsCountedHoweverWritten(t *testing.T) {
	for _, other := range []string{"ALICE", " alice", "alice  ", "\uff41\uff4c\uff49\uff43\uff45", "al\u00adice", "al\u200bice", "\u00e1lice", "AL\u0130CE"} {
		if fold(other) != fold("alice") {
			t.Errorf("%q is counted as %q", other, fold(other))
		}
	}
	if fold("alice") == fold("alice2") || fold("a.lice") == fold("alice") {
		t.Error("others are counted as alice")
	}
}

func TestAFloodOfUsersIsForgotten(t *testing.T) {
	p := newPace()
	for i := range 3 * maxKeys {
		p.take(fmt.Sprintf("user %d", i))
	}
	if len(p.keys) > maxKeys {
		t.Errorf("it remembers %d", len(p.keys))
	}
}

func TestARightPasswordIsRememberedForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		h := New(directory(&asked), time.Minute, func(string) {})
		for range 3 {
			if w := ask(h, `{"user":"alice","password":"open sesame"}`); w.Code != 200 || !strings.Contains(w.Body.String(), "id-1") {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		}
		if asked != 1 {
			t.Errorf("it asks %d times", asked)
		}
		if w := ask(h, `{"user":"alice","password":"other"}`); w.Code != 401 || asked != 2 {
			t.Errorf("another password: %d", w.Code)
		}
		time.Sleep(time.Minute)
		ask(h, `{"user":"alice","password":"open sesame"}`)
		if asked != 3 {
			t.Error("it is remembered longer than wanted")
		}
	})
}
