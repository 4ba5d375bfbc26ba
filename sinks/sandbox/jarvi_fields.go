package sandbox

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The fields of Jarvi's profiles. A profile is kept as a map: a field under its name as a
// string, a custom field under its uuid, and what is counted or listed under the names
// below.
const (
	jarviNumber  = "number"  // a json.Number: 1 for the oldest profile, 2 for the next
	jarviCreated = "created" // when it was made, as a text
	jarviHistory = "history" // a list of lines, each with what was given of jarviLine
	jarviFiles   = "files"   // a list of files, each with jarviFile; never their bytes
	jarviDeleted = "deleted" // when it was deleted, as a text
)

var jarviUUID = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)

var (
	jarviAddress = regexp.MustCompile(`^[^\s@,<>"]+@[^\s@,<>"]+$`)
	jarviPhone   = regexp.MustCompile(`[0-9]`)
	jarviData    = regexp.MustCompile(`^data:@file/[A-Za-z0-9][A-Za-z0-9.+_-]*;base64,`)
)

// jarviFields are the texts of a profile with their rules, which say what is wrong or
// nothing. id is not one: it is the name of the profile.
var jarviFields = map[string]func(text string) string{
	"projectId": jarviIsUUID, "externalId": jarviNotEmpty, "firstName": nil, "lastName": nil, "emailAddresses": jarviIsList(jarviAddress, "an address of e-mail"),
	"phoneNumbers": jarviIsList(jarviPhone, "a phone number"), "linkedinUrl": jarviIsURL, "location": nil, "headline": nil,
	"currentCompanyName": nil, "currentCompanyId": nil, "currentPosition": nil,
}

// jarviLine are the members of a history line, by the names that they come with.
var jarviLine = map[string]func(text string) string{
	"historyEntrySubject": nil, "historyEntryMessage": nil, "historyEntryType": jarviIsUUID,
}

func jarviIsUUID(text string) string {
	if !jarviUUID.MatchString(text) {
		return "must be a uuid"
	}
	return ""
}

func jarviNotEmpty(text string) string {
	if text == "" {
		return "must not be empty"
	}
	return ""
}

func jarviIsURL(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return "must be a URL"
	}
	return ""
}

// jarviIsList is the rule of a text that holds a list, parted by commas.
func jarviIsList(form *regexp.Regexp, what string) func(string) string {
	return func(text string) string {
		for _, part := range jarviParts(text) {
			if !form.MatchString(part) {
				return "has a part that is not " + what
			}
		}
		return ""
	}
}

// jarviParts are the parts of a list.
func jarviParts(text string) []string {
	parts := strings.Split(text, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

// jarviSent is what a POST carries.
type jarviSent struct {
	id     string            // in lower case; empty when it is not given
	fields map[string]string // custom fields by their uuids in lower case
	line   map[string]any    // nil for none
	files  []any
}

// jarviRead reads the body of a POST. wrong names every member that is not by the rules;
// when there are any, the rest means nothing.
func jarviRead(o *object) (sent jarviSent, wrong []detail) {
	sent.fields = map[string]string{}
	for _, name := range o.names {
		v := o.values[name]
		if name == "resumesFiles" || name == "files" {
			files, bad := jarviFilesOf(name, v)
			sent.files, wrong = append(sent.files, files...), append(wrong, bad...)
			continue
		}
		rule, isField := jarviFields[name]
		lineRule, isLine := jarviLine[name]
		isCustom := jarviUUID.MatchString(name)
		if !isField && !isLine && !isCustom && name != "id" {
			wrong = append(wrong, detail{name, "is not a field, nor the uuid of a custom field"})
			continue
		}
		text, isText := v.(string)
		if isLine {
			rule = lineRule
		} else if name == "id" {
			rule = jarviIsUUID
		}
		if !isText {
			wrong = append(wrong, detail{name, "must be a text"})
			continue
		} else if rule != nil {
			if message := rule(text); message != "" {
				wrong = append(wrong, detail{name, message})
			}
		}
		switch {
		case name == "id":
			sent.id = strings.ToLower(text)
		case isLine:
			if sent.line == nil {
				sent.line = map[string]any{}
			}
			sent.line[name] = text
		case isCustom:
			if name = strings.ToLower(name); sent.has(name) {
				wrong = append(wrong, detail{name, "is given more than once"})
			}
			sent.fields[name] = text
		default:
			sent.fields[name] = text
		}
	}
	return sent, wrong
}

func (sent jarviSent) has(name string) bool { _, ok := sent.fields[name]; return ok }

// jarviFilesOf reads a list of files.
func jarviFilesOf(name string, v any) (files []any, wrong []detail) {
	list, ok := v.([]any)
	if !ok {
		return nil, []detail{{name, "must be a list"}}
	}
	for i, v := range list {
		o, ok := v.(*object)
		if !ok {
			wrong = append(wrong, detail{at(name, i), "must be an object"})
			continue
		}
		for _, n := range o.names {
			if n != "fileName" && n != "data" {
				wrong = append(wrong, detail{under(at(name, i), n), "is not a member"})
			}
		}
		fileName, _ := o.values["fileName"].(string)
		data, _ := o.values["data"].(string)
		if fileName == "" {
			wrong = append(wrong, detail{under(at(name, i), "fileName"), "must be a text that is not empty"})
		}
		b, ok := jarviBytes(data)
		if !ok {
			wrong = append(wrong, detail{under(at(name, i), "data"), "must be data:@file/<subtype>;base64, with the file in base64 after it"})
		}
		sum := sha256.Sum256(b)
		files = append(files, map[string]any{"list": name, "fileName": fileName,
			"bytes": json.Number(strconv.Itoa(len(b))), "sha256": hex.EncodeToString(sum[:])})
	}
	return files, wrong
}

// jarviBytes is the file in a data URI, which has something in it.
func jarviBytes(data string) (b []byte, ok bool) {
	prefix := jarviData.FindString(data)
	// The decoder passes over ends of lines.
	if prefix == "" || strings.ContainsAny(data, "\r\n") {
		return nil, false
	}
	b, err := base64.StdEncoding.Strict().DecodeString(data[len(prefix):])
	return b, err == nil && len(b) > 0
}

// jarviMerged is a profile after a POST. It does not change the one before.
func jarviMerged(before map[string]any, sent jarviSent) map[string]any {
	after := map[string]any{}
	maps.Copy(after, before)
	for name, text := range sent.fields {
		after[name] = text
	}
	added := func(name string, more []any) {
		if len(more) > 0 {
			list, _ := before[name].([]any)
			after[name] = slices.Concat(list, more)
		}
	}
	if sent.line != nil {
		added(jarviHistory, []any{sent.line})
	}
	added(jarviFiles, sent.files)
	return after
}

// jarviKept says whether a state can have the value under the name: a profile by its uuid.
func jarviKept(name string, v any) bool {
	profile, ok := v.(map[string]any)
	if !ok || !jarviUUID.MatchString(name) {
		return false
	}
	texts := func(v any, names ...string) bool {
		m, ok := v.(map[string]any)
		for n, text := range m {
			if _, isText := text.(string); !slices.Contains(names, n) || !isText && n != "bytes" {
				return false
			}
		}
		return ok
	}
	for n, value := range profile {
		text, isText := value.(string)
		list, isList := value.([]any)
		rule, isField := jarviFields[n]
		switch {
		case n == jarviNumber:
			number, _ := value.(json.Number)
			if i, err := number.Int64(); err != nil || i < 1 {
				return false
			}
		case n == jarviHistory || n == jarviFiles:
			for _, item := range list {
				if n == jarviHistory && !texts(item, slices.Collect(maps.Keys(jarviLine))...) ||
					n == jarviFiles && !texts(item, "list", "fileName", "bytes", "sha256") {
					return false
				}
			}
			if !isList {
				return false
			}
		case !isField && n != jarviCreated && n != jarviDeleted && !jarviUUID.MatchString(n):
			return false
		case !isText || rule != nil && rule(text) != "":
			return false
		}
	}
	return profile[jarviNumber] != nil && profile[jarviCreated] != nil
}

// jarviCounts are how many profiles, history lines and files a state has.
func jarviCounts(state map[string]any) map[string]int {
	n := map[string]int{"profiles": len(state), "history": 0, "files": 0}
	for _, v := range state {
		profile, _ := v.(map[string]any)
		for _, name := range []string{jarviHistory, jarviFiles} {
			list, _ := profile[name].([]any)
			n[name] += len(list)
		}
	}
	return n
}
