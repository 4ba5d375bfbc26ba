package sandbox

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// linkedinUploadTime is how long an upload URL can be used.
const linkedinUploadTime = time.Hour

// linkedinMaxUpload is the most bytes that a picture may have.
const linkedinMaxUpload = 10 << 20

// linkedinUpload is what an upload URL is for. It is in memory only: with the URL and the
// token anybody could put a picture there.
type linkedinUpload struct {
	asset   string // the id in the URN
	expires time.Time
}

// linkedinArtifacts are the recipes with the class of what is uploaded for them.
var linkedinArtifacts = map[string]string{
	"urn:li:digitalmediaRecipe:profile-originalphoto-image":      "profile-original-uploadedImage",
	"urn:li:digitalmediaRecipe:profile-displayphoto-image":       "profile-uploadedImage",
	"urn:li:digitalmediaRecipe:profile-originalbackground-image": "profile-original-uploadedBackgroundImage",
	"urn:li:digitalmediaRecipe:profile-displaybackground-image":  "profile-uploadedBackgroundImage",
}

const (
	linkedinAssetURN  = "urn:li:digitalmediaAsset:"
	linkedinMechanism = "com.linkedin.digitalmedia.uploading.MediaUploadHttpRequest"
)

// linkedinSecret is 128 random bits as a text that a URL can have.
func linkedinSecret() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// linkedinRegister reads the body of a registration. owner is the id of the person.
func linkedinRegister(c *linkedinFindings, body []byte) (recipe, owner string) {
	o := linkedinBody(c, body)
	if o == nil {
		return "", ""
	}
	known := slices.Collect(maps.Keys(linkedinArtifacts))
	slices.Sort(known)
	kept := c.object("", o, map[string]linkedinMember{"registerUploadRequest": {required: true, read: linkedinRecord(map[string]linkedinMember{
		"recipes":              {read: linkedinList(linkedinOneOf(known...)), required: true},
		"owner":                {read: linkedinPersonURN, required: true},
		"serviceRelationships": {read: linkedinList(linkedinNothing), required: true},
	})}})
	request, _ := kept["registerUploadRequest"].(map[string]any)
	recipes, _ := request["recipes"].([]any)
	if len(recipes) == 1 {
		recipe, _ = recipes[0].(string)
	} else {
		c.say("registerUploadRequest.recipes", "must be one recipe")
	}
	urn, _ := request["owner"].(string)
	return recipe, strings.TrimPrefix(urn, "urn:li:person:")
}

// linkedinNothing is for the items of a list that has none.
func linkedinNothing(c *linkedinFindings, path string, _ any) any {
	c.say(path, "is not for pictures of profiles")
	return nil
}

// register makes an asset and the URL where its bytes can be uploaded.
func (l linkedIn) register(s *Server, a *account, r *http.Request, body []byte) reply {
	var c linkedinFindings
	recipe, owner := linkedinRegister(&c, body)
	if !c.none() {
		return linkedinFound(&c)
	}
	if !l.claim(a, owner) {
		return linkedinFound(&linkedinFindings{wrong: []detail{{"registerUploadRequest.owner", "must be the member's own URN"}}})
	}
	id := "C5603AQ" + linkedinSecret()[:11]
	secret := linkedinSecret()
	changed, err := s.update(a, "", func(state map[string]any) (map[string]any, error) {
		return map[string]any{"id": owner, "assets": linkedinWith(state, id, map[string]any{"recipe": recipe})}, nil
	})
	if err != nil {
		return s.unmade(a, err)
	}
	now := s.clock()
	a.mu.Lock()
	m := linkedinMemoryOf(a)
	maps.DeleteFunc(m.uploads, func(_ string, u linkedinUpload) bool { return now.Sub(u.expires) > 24*time.Hour })
	m.uploads[secret] = linkedinUpload{id, now.Add(l.uploadTime)}
	a.mu.Unlock()

	scheme, class := "http", linkedinArtifacts[recipe]
	if r.TLS != nil {
		scheme = "https"
	}
	u := url.URL{Scheme: scheme, Host: r.Host, Path: "/linkedin/mediaUpload/" + id + "/" + class + "/0",
		RawQuery: "ca=vector_profile&cn=uploads&sync=0&v=beta&ut=" + secret}
	return reply{status: http.StatusOK, changed: changed, body: map[string]any{"value": map[string]any{
		"asset":         linkedinAssetURN + id,
		"mediaArtifact": "urn:li:digitalmediaMediaArtifact:(" + linkedinAssetURN + id + ",urn:li:digitalmediaMediaArtifactClass:" + class + ")",
		"uploadMechanism": map[string]any{linkedinMechanism: map[string]any{
			"headers": map[string]any{}, "uploadUrl": u.String(),
		}},
	}}}
}

// linkedinWith is the assets of a state with one more, or another one.
func linkedinWith(state map[string]any, id string, asset map[string]any) map[string]any {
	old, _ := state["assets"].(map[string]any)
	assets := map[string]any{id: asset}
	for other, v := range old {
		if other != id {
			assets[other] = v
		}
	}
	return assets
}

// upload takes the bytes of an asset, of which the digest and the length are kept. They
// can be uploaded again as long as the URL can be used.
func (l linkedIn) upload(s *Server, a *account, r *http.Request, id, class string, body []byte, readErr error) reply {
	a.mu.Lock()
	u, known := linkedinMemoryOf(a).uploads[r.URL.Query().Get("ut")]
	a.mu.Unlock()
	if !known || u.asset != id {
		return l.refusal(http.StatusNotFound, "Unknown upload URL")
	}
	if !s.clock().Before(u.expires) {
		return l.refusal(http.StatusGone, "The upload URL has expired")
	}
	if refused, ok := l.refuseBody(readErr); !ok {
		return refused
	}
	if len(body) == 0 {
		return l.refusal(http.StatusBadRequest, "The body is empty")
	}
	sum := sha256.Sum256(body)
	changed, err := s.update(a, "", func(state map[string]any) (map[string]any, error) {
		assets, _ := state["assets"].(map[string]any)
		asset, _ := assets[id].(map[string]any)
		if recipe, _ := asset["recipe"].(string); asset == nil || linkedinArtifacts[recipe] != class {
			return nil, errGone
		}
		return map[string]any{"assets": linkedinWith(state, id, map[string]any{"recipe": asset["recipe"],
			"sha256": hex.EncodeToString(sum[:]), "size": json.Number(strconv.Itoa(len(body)))})}, nil
	})
	switch {
	case errors.Is(err, errGone):
		return l.refusal(http.StatusNotFound, "Unknown upload URL")
	case err != nil:
		return s.unmade(a, err)
	}
	return reply{status: http.StatusCreated, changed: changed}
}

// linkedinSetPicture reads the images of a picture. Both are needed, so that they go
// together; each must be uploaded, and be registered for this.
func linkedinSetPicture(c *linkedinFindings, state map[string]any, field string, o *object) map[string]any {
	members := map[string]linkedinMember{}
	for name := range linkedinPictures[field] {
		members[name] = linkedinMember{required: true, read: linkedinMatch(`^urn:li:digitalmediaAsset:[A-Za-z0-9_-]+$`, "must be the URN of an asset")}
	}
	path := under(under("patch", field), "$set")
	before := len(c.wrong)
	kept := c.object(path, o, members)
	if len(c.wrong) > before {
		return kept
	}
	assets, _ := state["assets"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(kept)) {
		urn, _ := kept[name].(string)
		asset, _ := assets[strings.TrimPrefix(urn, linkedinAssetURN)].(map[string]any)
		switch {
		case asset == nil:
			c.say(under(path, name), "is not an asset of the member")
		case asset["sha256"] == nil:
			c.say(under(path, name), "was not uploaded")
		case asset["recipe"] != linkedinPictures[field][name]:
			c.say(under(path, name), "was registered with another recipe")
		}
	}
	return kept
}
