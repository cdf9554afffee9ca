package storetest

import (
	"testing"

	"github.com/culvert-pbx/culvert/store"
)

var revTests = map[string]func(*testing.T, Store){
	"a change raises the revision":       testRevRises,
	"writing what is there keeps it":     testRevKept,
	"the zero revision comes before all": testRevZero,
}

func testRevRises(t *testing.T, s Store) {
	_, last := view(t, s, "")
	for _, writes := range [][]string{{"a=1"}, {"a=2"}, {"a=1", "b=1"}, {"a"}, {"b="}} {
		rev := update(t, s, writes...)
		if !rev.After(last) || !last.Less(rev) || rev == last {
			t.Fatalf("%v gave revision %v after %v", writes, rev, last)
		}
		if _, seen := view(t, s, ""); seen != rev {
			t.Fatalf("View shows %v, Update gave %v", seen, rev)
		}
		last = rev
	}
}

func testRevKept(t *testing.T, s Store) {
	w := update(t, s, "a=1", "b=")
	changes, _ := watch(t, s, "", w)
	for _, writes := range [][]string{nil, {"a=1"}, {"b="}, {"a=2", "a=1"}, {"a", "a=1"}, {"c=1", "c"}, {"absent"}} {
		if rev := update(t, s, writes...); rev != w {
			t.Errorf("%q gave revision %v, want %v as before", writes, rev, w)
		}
	}
	changes.want(update(t, s, "b=1", "a=1"), "b=1")
}

func testRevZero(t *testing.T, s Store) {
	if _, rev := view(t, s, ""); !rev.After(store.Rev{}) {
		t.Errorf("a new store is at %v", rev)
	}
}
