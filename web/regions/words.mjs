/** What the editor says, in English and Chinese. `{name}` is filled in. */

const ENGLISH = {
  editor: "Region editor",
  surface: "Regions of the picture. Drag to draw a box. Tab goes to the next region, arrows move it, Shift and arrows resize it, Delete removes it, N makes a new one.",
  box: "Draw a box: drag over the picture, also inside another region",
  polygon: "Draw a polygon: click its corners, then the first one again (or Enter)",
  duplicate: "Duplicate the region (Ctrl+D)",
  remove: "Delete the region (Del)",
  back: "Further to the back ([)",
  front: "Further to the front (])",
  undo: "Undo (Ctrl+Z)",
  redo: "Redo (Ctrl+Y)",
  text: "Show the text of the regions",
  words: "words",
  wordsHint: "words of the prompt, as written there",
  prompt: "prompt",
  promptHint: "a prompt of its own",
  negative: "negative",
  negativeHint: "what is not wanted here",
  strength: "strength",
  source: "The regions as text (JSON, in fractions of the picture)",
  none: "Drag over the picture to draw a region.",
  nothing: "Click a region to choose it.",
  chosen: "{number} of {count}: {name} · left {left} %, top {top} %, {width} × {height} %",
  unnamed: "without words",
  sketch: "{count} corners; click the first one or press Enter to close, Esc to cancel",
  linked: "The regions come from the connected node; change them there.",
  json: "This is no JSON, so it stays as it is: {detail}",
  list: "The text should be a list of regions: [{\"box\": [0.1, 0.2, 0.5, 0.9]}]",
  region: "Region {number} should look so: {\"box\": [0.1, 0.2, 0.5, 0.9]}",
  unknown: "Region {number} has something that is not known: {detail}",
  wordsProblem: "The {detail} of region {number} should be a text in quotes",
  strengthProblem: "The strength of region {number} should be a number",
  place: "Region {number} needs one box of four numbers, or one polygon of three or more corners",
  away: "Region {number} is empty or lies wholly off the picture",
};

const CHINESE = {
  editor: "区域编辑器",
  surface: "画面中的区域。拖动画出方框；Tab 到下一个区域，方向键移动，Shift 加方向键调整大小，Delete 删除，N 新建。",
  box: "画方框：在画面上拖动，也可以画在别的区域里",
  polygon: "画多边形：逐个点击各角，再点第一个角（或按 Enter）闭合",
  duplicate: "复制区域（Ctrl+D）",
  remove: "删除区域（Del）",
  back: "往后一层（[）",
  front: "往前一层（]）",
  undo: "撤销（Ctrl+Z）",
  redo: "重做（Ctrl+Y）",
  text: "显示区域的文本",
  words: "词",
  wordsHint: "主提示词里的词，写法相同",
  prompt: "提示词",
  promptHint: "这个区域自己的提示词",
  negative: "负面",
  negativeHint: "这里不想要的东西",
  strength: "强度",
  source: "区域的文本（JSON，数值为占画面的比例）",
  none: "在画面上拖动即可画出区域。",
  nothing: "点击区域以选中。",
  chosen: "第 {number} 个，共 {count} 个：{name} · 左 {left} %，上 {top} %，{width} × {height} %",
  unnamed: "没有词",
  sketch: "已有 {count} 个角；点击第一个角或按 Enter 闭合，Esc 取消",
  linked: "区域来自所连接的节点，请在那个节点里修改。",
  json: "这不是有效的 JSON，内容保持原样：{detail}",
  list: "文本应是区域的列表：[{\"box\": [0.1, 0.2, 0.5, 0.9]}]",
  region: "第 {number} 个区域应写成：{\"box\": [0.1, 0.2, 0.5, 0.9]}",
  unknown: "第 {number} 个区域含有未知的项：{detail}",
  wordsProblem: "第 {number} 个区域的 {detail} 应是引号中的文本",
  strengthProblem: "第 {number} 个区域的强度应是数字",
  place: "第 {number} 个区域需要一个由四个数字组成的 box，或至少三个角的 polygon",
  away: "第 {number} 个区域是空的，或完全在画面之外",
};

/** The speaker of a language ("en", "zh", "zh-TW", ..): (key, values) -> text. */
export function speaker(language) {
  const table = String(language ?? "").toLowerCase().startsWith("zh") ? CHINESE : ENGLISH;
  return (key, values = {}) => table[key].replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

export const tables = [ENGLISH, CHINESE];

/** What is wrong with a text, in words. */
export function complaint(say, { kind, ...values }) {
  return say(kind === "words" || kind === "strength" ? `${kind}Problem` : kind, values);
}
