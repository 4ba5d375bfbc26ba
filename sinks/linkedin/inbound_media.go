package linkedin

import (
	"strings"

	"vitae/ledger"
)

// AssetPrefix begins the URN of an asset.
const AssetPrefix = "urn:li:digitalmediaAsset:"

// Registration is a request for a place to upload a picture to.
type Registration struct {
	Person string // who owns the picture: the person's id
	Class  string // of the artifact that the upload becomes
}

// ParseRegistration reads the body of the action registerUpload.
func ParseRegistration(body []byte) (out Registration, err error) {
	n, err := parse(body)
	if err != nil {
		return out, err
	}
	const at = "/registerUploadRequest"
	req, _ := n.Member("registerUploadRequest")
	if req.Kind != ledger.NodeObject || len(n.Members) > 1 {
		return out, malformed("", "the body must have one member, registerUploadRequest, an object")
	}
	in := &inbound{}
	in.only(req, at, "recipes", "owner", "serviceRelationships")
	recipes, _ := req.Member("recipes")
	switch {
	case recipes.Kind != ledger.NodeArray:
		in.refuse(at+"/recipes", ledger.CodeWrongType, "must be an array")
	case len(recipes.Elems) != 1:
		in.refuse(at+"/recipes", ledger.CodeTooMany, "must have one recipe")
	default:
		if out.Class = artifactClass(recipes.Elems[0]); out.Class == "" {
			in.refuse(at+"/recipes/0", ledger.CodeNotOneOf, "is not the recipe of a picture of a profile")
		}
	}
	owner, _ := req.Member("owner")
	id, ok := strings.CutPrefix(owner.Text, personURN(""))
	if out.Person = id; owner.Kind != ledger.NodeString || !ok || id == "" {
		in.refuse(at+"/owner", ledger.CodeFormat, "must be the URN of a person, "+personURN("ID"))
	}
	if related, given := req.Member("serviceRelationships"); given {
		in.each(related, at+"/serviceRelationships", func(ledger.Node, string) {})
	}
	return out, in.refusal()
}

// artifactClass is what an upload of a recipe becomes; "" when there is no such recipe.
func artifactClass(recipe ledger.Node) string {
	name, ok := strings.CutPrefix(recipe.Text, "urn:li:digitalmediaRecipe:profile-")
	if !ok || recipe.Kind != ledger.NodeString {
		return ""
	}
	switch name {
	case "originalphoto-image":
		return "profile-original-uploadedImage"
	case "displayphoto-image":
		return "profile-uploadedImage"
	case "originalbackground-image":
		return "profile-original-uploadedBackgroundImage"
	case "displaybackground-image":
		return "profile-uploadedBackgroundImage"
	}
	return ""
}

// answer is its form in JSON.
type answer struct {
	Value struct {
		Mechanism map[string]any `json:"uploadMechanism"`
		Artifact  string         `json:"mediaArtifact"`
		Asset     string         `json:"asset"`
	} `json:"value"`
}

// Registered is the answer to a registration, to be written as JSON: the asset's URN, and
// where its bytes go.
func Registered(asset, class, uploadURL string) any {
	var out answer
	out.Value.Mechanism = map[string]any{mechanism: map[string]any{"headers": map[string]string{}, "uploadUrl": uploadURL}}
	out.Value.Asset = AssetPrefix + asset
	out.Value.Artifact = "urn:li:digitalmediaMediaArtifact:(" + out.Value.Asset + ",urn:li:digitalmediaMediaArtifactClass:" + class + ")"
	return out
}
