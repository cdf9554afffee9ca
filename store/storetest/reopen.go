package storetest

import (
	"errors"
	"testing"

	"github.com/culvert-pbx/culvert/store"
)

var reopenTests = map[string]func(*testing.T, Open){
	"records survive reopening":            testReopenRecords,
	"the revision goes on after reopening": testReopenRev,
	"Watch knows the past or says so":      testReopenWatch,
}

func testReopenRecords(t *testing.T, open Open) {
	s := open(t)
	update(t, s, "a=1", "b=2", "c=3")
	update(t, s, "b")
	closeStore(t, s)
	for range 2 { // reading changes nothing
		s = open(t)
		wantRecords(t, s, "a=1", "c=3")
		closeStore(t, s)
	}
	s = open(t)
	defer closeStore(t, s)
	update(t, s, "a=4", "b=5")
	wantRecords(t, s, "a=4", "b=5", "c=3")
}

func testReopenRev(t *testing.T, open Open) {
	var last store.Rev
	for i := range 3 {
		s := open(t)
		if _, rev := view(t, s, ""); rev.Less(last) {
			t.Errorf("the store came back at %v, it was at %v", rev, last)
		}
		rev := update(t, s, "a="+string(rune('0'+i)))
		if !rev.After(last) {
			t.Errorf("revision %v came after %v", rev, last)
		}
		last = rev
		closeStore(t, s)
	}
}

func testReopenWatch(t *testing.T, open Open) {
	s := open(t)
	_, start := view(t, s, "")
	missed := update(t, s, "a=1")
	closeStore(t, s)

	s = open(t)
	defer closeStore(t, s)
	_, present := view(t, s, "")
	next := update(t, s, "a=2")
	w, _ := watch(t, s, "", present)
	w.want(next, "a=2")

	w, _ = watch(t, s, "", start)
	c, err, _ := w.next()
	if !errors.Is(err, store.ErrGone) && (err != nil || c.Rev != missed) {
		t.Errorf("from before the reopening came %v, %v, want the change missed or ErrGone", c, err)
	}
}
