package tunnel

import (
	"reflect"
	"testing"
	"time"
)

// fill gives v one element in every list and something behind every pointer.
func fill(v reflect.Value) {
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case v.Kind() == reflect.String:
		v.SetString("text")
	case v.CanInt():
		v.SetInt(1)
	}
}

// shared names what a and b both lead to.
func shared(a, b reflect.Value, path string) []string {
	switch a.Kind() {
	case reflect.Slice, reflect.Pointer:
		if a.Pointer() == b.Pointer() && !a.IsNil() {
			return []string{path}
		}
	}
	var all []string
	switch a.Kind() {
	case reflect.Struct:
		if a.Type() == reflect.TypeFor[time.Time]() {
			return nil
		}
		for i := range a.NumField() {
			all = append(all, shared(a.Field(i), b.Field(i), path+"."+a.Type().Field(i).Name)...)
		}
	case reflect.Slice:
		for i := range a.Len() {
			all = append(all, shared(a.Index(i), b.Index(i), path+"[]")...)
		}
	case reflect.Pointer:
		if !a.IsNil() {
			all = shared(a.Elem(), b.Elem(), path)
		}
	}
	return all
}

// TestCloneSharesNothing holds for fields that are added later too.
func TestCloneSharesNothing(t *testing.T) {
	var v View
	fill(reflect.ValueOf(&v).Elem())
	c := v.Clone()
	if !reflect.DeepEqual(v, c) {
		t.Errorf("the clone of %+v is %+v", v, c)
	}
	if both := shared(reflect.ValueOf(v), reflect.ValueOf(c), "View"); len(both) > 0 {
		t.Errorf("both have %v", both)
	}
	if c := (View{}).Clone(); !reflect.DeepEqual(c, View{}) {
		t.Errorf("the clone of nothing is %+v", c)
	}
}
