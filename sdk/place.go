package sdk

import (
	"reflect"
	"strings"
)

var siteType = reflect.TypeFor[Site]()

// placeSites tells every Site in v its path in the settings. entry is the path of the map's entry that v is in, which a
// site in it goes by, or empty.
func placeSites(v reflect.Value, path, entry string) {
	if v.Type() == siteType {
		if entry != "" {
			path = entry
		}
		v.Addr().Interface().(*Site).path = path
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			placeSites(v.Elem(), path, entry)
		}
	case reflect.Struct:
		placeFields(v, path, entry)
	case reflect.Map:
		placeEntries(v, path)
	}
}

func placeFields(v reflect.Value, path, entry string) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && key == "":
			placeSites(v.Field(i), path, entry)
		case f.IsExported() && key != "" && key != "-":
			placeSites(v.Field(i), join(path, key), entry)
		}
	}
}

// placeEntries replaces each entry by a copy with its sites placed, for a map's own cannot be changed.
func placeEntries(v reflect.Value, path string) {
	if v.Type().Key().Kind() != reflect.String {
		return
	}
	for _, key := range v.MapKeys() {
		e := reflect.New(v.Type().Elem()).Elem()
		e.Set(v.MapIndex(key))
		at := join(path, key.String())
		placeSites(e, at, at)
		v.SetMapIndex(key, e)
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
