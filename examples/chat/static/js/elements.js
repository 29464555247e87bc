// Make an element. Strings among the children become text, never markup.
export function element(tag, { className = "", ...properties } = {}, ...children) {
  const node = document.createElement(tag);
  node.className = className;
  Object.assign(node, properties);
  node.append(...children);
  return node;
}

const HUES = 8; // as many as base.css has

export function avatar(person) {
  const words = person.name.trim().split(/\s+/u);
  const initials = words.slice(0, 2).map((word) => [...word][0]?.toUpperCase() ?? "");
  let hash = 0;
  for (const char of person.id) hash = (hash * 31 + char.codePointAt(0)) >>> 0;
  const node = element("span", { className: `avatar hue-${hash % HUES}` }, initials.join(""));
  node.ariaHidden = "true";
  return node;
}
