package sdk

import (
	"reflect"
	"strings"
)

var siteType = reflect.TypeFor[Site]()

// placeSites tells every Site in v its path in the settings.
func placeSites(v reflect.Value, path string) {
	if v.Type() == siteType {
		v.Addr().Interface().(*Site).path = path
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			placeSites(v.Elem(), path)
		}
	case reflect.Struct:
		placeFields(v, path)
	case reflect.Map:
		placeEntries(v, path)
	}
}

func placeFields(v reflect.Value, path string) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && key == "":
			placeSites(v.Field(i), path)
		case f.IsExported() && key != "" && key != "-":
			placeSites(v.Field(i), join(path, key))
			offer(v.Field(i), f.Tag.Get("slots"))
		}
	}
}

// offer tells the site in v, or those in the map v, which slots the tag of their field names.
func offer(v reflect.Value, tag string) {
	switch {
	case tag == "":
	case v.Type() == siteType:
		v.Addr().Interface().(*Site).Offered = strings.Split(tag, ",")
	case v.Kind() == reflect.Pointer && !v.IsNil():
		offer(v.Elem(), tag)
	case v.Kind() == reflect.Map:
		for _, key := range v.MapKeys() {
			e := reflect.New(v.Type().Elem()).Elem()
			e.Set(v.MapIndex(key))
			offer(e, tag)
			v.SetMapIndex(key, e)
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
		placeSites(e, join(path, key.String()))
		v.SetMapIndex(key, e)
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
